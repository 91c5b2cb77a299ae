// What a model writes about a conversation that begins here.
export default async function ({ as, given }) {
  const ada = as("ada");
  const ben = as("ben");
  const id = (name) => given.people[name].id;
  await ben.users.get(id("ben")); // a token makes its user known

  for (const content of given.said) {
    await ada.messages.create({ contextId: given.context, targetId: id("ben"), content });
  }
  const unread = await ben.users.getUnreadSummary(id("ben"));
  const first = await ben.conversations.summary(given.context);
  const again = await ben.conversations.summary(given.context);
  const digest = await ben.conversations.digest({ contextUniqueIds: [given.context] });
  const tasks = await ben.tasks.listForConversation(given.context);
  return {
    unread: [unread.totalUnreadCount, unread.totalConversationCount],
    summary: [first.status, first.content, first.messageCount, first.fromCache],
    again: [again.content.summary === first.content.summary, again.fromCache],
    digest: [digest.summaries.map((one) => [one.status, one.content.summary]), digest.total],
    tasks: tasks.data.map((one) => one.description),
    stillUnread: (await ben.users.getUnreadSummary(id("ben"))).totalUnreadCount,
  };
}
