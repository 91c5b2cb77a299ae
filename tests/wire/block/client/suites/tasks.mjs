// Tasks of a conversation.
export default async function ({ as, given, refused }) {
  const ada = as("ada");
  const where = given.context;
  const created = await ada.tasks.create(where, { description: "Book a room" });
  const id = created.uniqueId;
  const updated = await ada.tasks.update(id, { description: "Book two rooms", priority: "urgent" });
  const completed = await ada.tasks.complete(id);
  const dismissed = await ada.tasks.dismiss(id);
  const reopened = await ada.tasks.reopen(id);
  const inConversation = await ada.tasks.listForConversation(where, { status: "pending", page: 1, perPage: 5 });
  const ofUser = await ada.tasks.listForUser(given.people.ada.id, { reference: "order-7", status: "pending" });
  await ada.tasks.delete(id);
  const afterwards = await ada.tasks.listForConversation(where);
  return {
    created: {
      description: created.description,
      priority: created.priority,
      status: created.status,
      there: created.contextUniqueId === where,
    },
    updated: { description: updated.description, priority: updated.priority },
    completed: [completed.status, completed.completedAt instanceof Date],
    dismissed: [dismissed.status, dismissed.dismissedAt instanceof Date],
    reopened: reopened.status,
    "of the conversation": inConversation.meta.totalCount,
    "of the user": ofUser.data.length,
    afterwards: afterwards.meta.totalCount,
    refused: await refused(as("ben").tasks.complete(id)),
  };
}
