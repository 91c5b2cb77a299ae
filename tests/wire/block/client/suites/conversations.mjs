// Conversations and contexts, what is unread in them, and what engines write about them.
export default async function ({ as, given, refused }) {
  const ada = as("ada");
  const ben = as("ben");
  const id = (name) => given.people[name].id;
  const told = {};
  await ben.users.list();

  const context = await ada.contexts.create({
    name: "Launch",
    description: "All about it",
    contextType: "project",
    metadata: { a: 1 },
    payload: { b: 2 },
  });
  told.context = [context.name, context.description, context.contextType, context.status, context.metadata, context.payload];
  told.gotContext = (await ada.contexts.get(context.uniqueId)).uniqueId === context.uniqueId;
  told.hiddenContext = await refused(ben.contexts.get(context.uniqueId));
  const changed = await ada.contexts.update(context.uniqueId, { name: "Landing", status: "archived" });
  told.changedContext = [changed.name, changed.status, changed.description];
  const contexts = await ada.contexts.list({
    page: 1,
    perPage: 5,
    status: "archived",
    contextType: "project",
    search: "land",
    sortBy: "name",
    sortOrder: "desc",
  });
  told.contexts = [contexts.data.map((one) => one.name), contexts.meta];
  told.groups = (await ada.contexts.listGroups(context.uniqueId)).meta.totalCount;

  const talk = given.talk;
  for (const content of [
    "We must decide on the date of the launch by Friday.",
    "Ben, please send the budget to the board today.",
    "We agreed to launch on the first of May.",
  ]) {
    await ada.messages.create({ contextId: talk, content });
  }
  const unread = await ben.users.getUnreadSummary(id("ben"), { groupBy: "payload:project", custom: { project: "x1" } });
  told.unread = unread;
  const before = await ben.users.listConversations(id("ben"), { page: 1, perPage: 5 });
  told.listed = [
    before.data.map((one) => [one.id === talk, one.context === talk, one.meta.unreadCount]),
    before.meta,
  ];
  const inGroups = await ben.users.listGroupConversations(id("ben"), { page: 1, perPage: 5 });
  told.inGroups = [inGroups.data.map((one) => one.id === given.inGroup), inGroups.meta.totalCount];

  const opened = await ben.conversations.get({ context: talk, page: 1, perPage: 2, includeFiles: true });
  told.opened = [
    opened.messages.map((one) => one.content.slice(0, 9)),
    opened.files,
    opened.meta.totalMessages,
    opened.meta.unreadCount,
    opened.meta.participants.length,
    opened.meta.total_pages,
    "summary" in opened,
  ];
  told.after = (await ben.users.getUnreadSummary(id("ben"))).totalUnreadCount;

  const first = await ben.conversations.summary(talk);
  told.summary = [
    first.contextUniqueId === talk,
    first.status,
    first.content.summary.length > 0,
    Array.isArray(first.content.keyPoints),
    Array.isArray(first.content.actionItems),
    first.messageCount,
    first.fromCache,
  ];
  told.summaryAgain = (await ben.conversations.summary(talk)).fromCache;
  const withSummary = await ada.conversations.get({ context: talk, include: ["summary"] });
  told.included = [
    withSummary.summary.status,
    withSummary.summary.content.summary === first.content.summary,
    withSummary.summary.summaryType,
    withSummary.summary.messageCount,
  ];
  const digest = await ben.conversations.digest({ contextUniqueIds: [context.uniqueId, talk], promptId: "conversation-summary" });
  told.digest = [
    digest.summaries.map((one) => [one.contextUniqueId === talk, one.status, one.messageCount, one.fromCache]),
    digest.conversationsFound,
    digest.total,
    digest.error ?? null,
  ];
  told.tooMany = await refused(ben.conversations.digest({ contextUniqueIds: Array(51).fill(talk) }));
  told.keys = (await ben.conversations.listContexts()).includes(talk);
  told.notTheirs = await refused(ben.conversations.deleteContext(talk));
  await ada.conversations.deleteContext(talk);
  told.gone = await refused(ben.conversations.get({ context: talk }));
  told.goneSummary = await refused(ben.conversations.summary(talk));
  return told;
}
