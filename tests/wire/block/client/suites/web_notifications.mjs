// Notifications of users' browsers.
export default async function ({ as, server, given, refused }) {
  const ada = as("ada");
  const { ada: one, bob: other } = given.people;
  const sent = await server.webNotifications.send({
    recipientUniqueId: one.id,
    title: "Hello",
    body: "World",
    actionUrl: "https://example.com/orders/7",
    priority: "high",
    tags: ["a"],
  });
  const bulk = await server.webNotifications.sendBulk({
    recipientUniqueIds: [one.id, other.id, "0d4c1c52-2f7d-4b53-9a0f-1f6a2d3e4c55"],
    title: "For many",
    body: "…",
  });
  const listed = await ada.webNotifications.list({ recipientUniqueId: one.id, isRead: false, page: 1 });
  const read = await ada.webNotifications.markAsRead(sent.uniqueId);
  const clicked = await ada.webNotifications.markAsClicked(sent.uniqueId);
  const unread = await ada.webNotifications.list({ isRead: false });
  const all = await ada.webNotifications.markAllAsRead(one.id);
  const same = await ada.webNotifications.get(sent.uniqueId);
  if (same.body !== "World") throw new Error("another notification came back");
  await ada.webNotifications.delete(sent.uniqueId);
  return {
    sent: {
      recipient: sent.recipientUniqueId,
      title: sent.title,
      type: sent.notificationType,
      priority: sent.priority,
      tags: sent.tags,
    },
    bulk,
    listed: listed.meta.totalCount,
    read: read.readAt.getTime() === clicked.readAt.getTime(),
    clicked: clicked.clickedAt.getTime() >= clicked.readAt.getTime(),
    unread: unread.meta.totalCount,
    updated: all.updated,
    gone: await refused(ada.webNotifications.get(sent.uniqueId)),
  };
}
