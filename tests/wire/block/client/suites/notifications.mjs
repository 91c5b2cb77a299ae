// Notifications and their sources.
export default async function ({ as, server, given, refused }) {
  const ada = as("ada");
  const targetId = given.people.ada.id;
  const created = await server.notifications.create({
    content: "Shipped",
    targetId,
    sourceType: "order",
    sourceId: "7",
    sourceAlias: "Order seven",
    payload: { order: 7 },
    expiresAt: new Date("2100-01-01T00:00:00Z"),
  });
  const second = await as("bob").notifications.create({ content: "Hi", targetId });

  const byTarget = await ada.notifications.listByTarget(targetId, { page: 1, perPage: 10 });
  const unread = await ada.notifications.listUnread({ targetId });
  const read = await ada.notifications.markAsRead(created.uniqueId);
  const unreadThen = await ada.notifications.listUnread();
  const unreadAgain = await ada.notifications.markAsUnread(created.uniqueId);
  await server.notifications.update(created.uniqueId, { content: "Delivered", status: "archived" });
  const updated = await ada.notifications.get(created.uniqueId);
  const raw = await fetch(`${process.argv[3]}/notifications/${created.uniqueId}`, {
    headers: { "x-api-key": given.sk },
  });
  const source = await ada.sources.get((await raw.json()).data.attributes.source_unique_id);
  await ada.notifications.delete(second.uniqueId);
  const listed = await ada.notifications.list({ sourceId: "7", sortBy: "created_at", sortOrder: "desc" });
  return {
    created: {
      content: created.content,
      status: created.status,
      targetId: created.targetId,
      payload: created.payload,
    },
    "by target": byTarget.data.length,
    unread: unread.meta.totalCount,
    read: read.status,
    "unread then": unreadThen.meta.totalCount,
    "unread again": unreadAgain.status,
    updated: { content: updated.content, status: updated.status },
    source: { name: source.name, sourceType: source.sourceType, externalId: source.externalId },
    gone: await refused(ada.notifications.get(second.uniqueId)),
    total: listed.meta.totalCount,
  };
}
