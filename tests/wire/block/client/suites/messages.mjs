// Messages as the client sends and reads them, and the actions on them.
export default async function ({ as, server, given, refused }) {
  const ada = as("ada");
  const ben = as("ben");
  const eve = as("eve");
  const { context } = given;
  const id = (name) => given.people[name].id;
  await ben.users.list();
  const told = {};

  const sent = await ada.messages.create({
    contextId: context,
    content: "Shall we?",
    sourceAlias: "Ada",
    targetId: id("ben"),
    value: 1.5,
    payload: { order: 7 },
    ragSources: ["a", "b"],
    notificationContent: "Ada asks",
    notificationUrl: "https://app.example/7",
    idempotencyKey: "first",
    expiresAt: "2040-01-01T00:00:00Z",
    actions: [
      { actionType: "reply", controlType: "button", controlLabel: "Yes", controlValue: "yes" },
      { actionType: "reply", controlType: "button", controlLabel: "No", controlValue: "no", controlHelp: "?" },
    ],
  });
  told.sent = {
    content: sent.content,
    context: sent.contextId === context,
    source: sent.sourceId === id("ada") && sent.sourceAlias === "Ada" && sent.createdBy === id("ada"),
    target: sent.targetId === id("ben"),
    value: sent.value,
    payload: sent.payload,
    ragSources: sent.ragSources,
    notification: [sent.notificationContent, sent.notificationUrl],
    key: sent.idempotencyKey,
    expires: sent.expiresAt.toISOString(),
    status: sent.status,
    enabled: sent.enabled,
    actions: sent.messageActions.map((action) => [action.controlLabel, action.controlValue, action.status]),
  };
  const again = await ada.messages.create({ contextId: context, content: "Shall we?", idempotencyKey: "first" });
  told.again = again.uniqueId === sent.uniqueId && again.messageActions.length;
  const answer = await ben.messages.create({ contextId: context, content: "Yes", parentId: sent.uniqueId });

  const page = await ben.messages.list({
    contextId: context,
    page: 1,
    perPage: 1,
    status: "active",
    sortBy: "created_at",
    sortOrder: "desc",
  });
  told.page = [page.data.map((one) => one.content), page.meta];
  told.filtered = (await ben.messages.list({ sourceId: id("ada"), targetId: id("ben") })).data.length;
  told.unsorted = (await ada.messages.list({ parentId: sent.uniqueId, sortBy: "created_at" })).data.length;
  told.got = (await ben.messages.get(sent.uniqueId)).messageActions.length;
  told.byContext = (await ada.messages.listByContext(context, { perPage: 10 })).data.map((one) => one.content);
  told.byParent = (await ada.messages.listByParent(sent.uniqueId)).data.map((one) => one.uniqueId === answer.uniqueId);
  const updated = await ada.messages.update(sent.uniqueId, { content: "Shall we go?", payload: { order: 8 } });
  told.updated = [updated.content, updated.payload, updated.updatedBy === id("ada")];
  told.foreign = await refused(ben.messages.update(sent.uniqueId, { content: "No" }));
  told.unseen = await refused(eve.messages.get(sent.uniqueId));
  told.empty = await refused(ada.messages.create({ contextId: context }));

  const actions = await ben.messageActions.list(context, sent.uniqueId, { page: 1, perPage: 10, sortBy: "created_at" });
  told.actions = [actions.data.map((one) => one.controlLabel), actions.meta.perPage];
  const [yes, no] = actions.data;
  told.action = (await ben.messageActions.get(context, sent.uniqueId, no.uniqueId)).controlHelp;
  const done = await ben.messageActions.update(context, sent.uniqueId, yes.uniqueId, {
    status: "completed",
    response: { chosen: "yes" },
    controlValue: "yes!",
    payload: { at: "home" },
  });
  told.responded = [done.response, done.controlValue, done.payload, done.messageUniqueId === sent.uniqueId];
  told.notTheirs = await refused(ben.messageActions.delete(context, sent.uniqueId, no.uniqueId));
  await ada.messageActions.delete(context, sent.uniqueId, no.uniqueId);
  told.left = (await ada.messageActions.list(context, sent.uniqueId)).meta.totalCount;

  await ada.messages.delete(sent.uniqueId);
  told.gone = await refused(ada.messages.get(sent.uniqueId));
  told.trash = (await ada.messages.listDeleted({ page: 1, perPage: 5 })).data.length;
  told.recovered = (await ada.messages.recover(sent.uniqueId)).content;

  told.batch = await server.messages.batch({
    messages: [
      { conversationUniqueId: context, content: "One", sourceId: id("ada"), notifyRoles: ["x"], senderRole: "y" },
      { conversationUniqueId: context, content: "One", sourceId: id("ada"), idempotencyKey: "first" },
      { conversationUniqueId: context, sourceId: id("ada") },
    ],
  });
  told.batch.failedItems = told.batch.failedItems.map((one) => one.conversationUniqueId === context && one.error);
  return told;
}
