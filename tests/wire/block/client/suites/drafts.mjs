// Drafts as the client keeps and sends them.
export default async function ({ as, given, refused }) {
  const ada = as("ada");
  const { context } = given;
  const told = {};
  const draft = await ada.draftMessages.create({ contextId: context, content: "Dear", payload: { a: 1 }, value: 3 });
  told.created = [draft.content, draft.status, draft.enabled, draft.contextId === context, draft.payload, draft.value];
  told.got = (await ada.draftMessages.get(draft.uniqueId)).uniqueId === draft.uniqueId;
  told.hidden = await refused(as("ben").draftMessages.get(draft.uniqueId));
  told.listed = (
    await ada.draftMessages.list({
      page: 1,
      perPage: 5,
      status: "pending",
      contextId: context,
      sourceId: given.people.ada.id,
      sortBy: "created_at",
      sortOrder: "desc",
    })
  ).meta;
  told.byContext = (await ada.draftMessages.listByContext(context, { status: "pending" })).data.length;
  told.updated = (await ada.draftMessages.update(draft.uniqueId, { content: "Dear Ben" })).content;
  const published = await ada.draftMessages.publish(draft.uniqueId);
  told.published = [published.status, published.enabled];
  told.message = (await ada.messages.listByContext(context)).data.map((one) => [one.content, one.payload]);
  told.twice = await refused(ada.draftMessages.publish(draft.uniqueId));
  await ada.draftMessages.delete(draft.uniqueId);
  told.gone = await refused(ada.draftMessages.get(draft.uniqueId));
  return told;
}
