// Meetings of a conversation, from their planning to their end.
export default async function ({ as, server, given, refused }) {
  const ada = as("ada");
  const ben = as("ben");
  const eve = as("eve");
  const created = await ada.meetings.create({
    title: "Launch",
    description: "All about it",
    conversationUniqueId: given.context,
    scheduledAt: "2026-05-01T09:00:00Z",
    maxParticipants: 5,
    isRecording: true,
    payload: { a: 1 },
  });
  const id = created.uniqueId;
  const other = await ben.meetings.create({ title: "Lunch" });
  const got = await ben.meetings.get(id);
  const updated = await ada.meetings.update(id, {
    title: "Landing",
    scheduledAt: "2026-05-02T09:00:00Z",
    maxParticipants: 7,
    isRecording: false,
    payload: { b: 2 },
  });
  const listed = await ben.meetings.list({
    page: 1,
    perPage: 1,
    status: "pending",
    sortBy: "scheduled_at",
    sortOrder: "desc",
  });
  const found = await ben.meetings.list({
    hostUniqueId: given.people.ada.id,
    conversationUniqueId: given.context,
    scheduledAfter: "2026-05-01T12:00:00Z",
    scheduledBefore: "2026-05-03T00:00:00Z",
  });
  const inGroup = await ben.meetings.list({ groupUniqueId: id });
  const started = await ada.meetings.start(id);
  const session = await ben.meetings.createSession(id);
  const notTheirs = await refused(ben.meetings.end(id));
  const ended = await server.meetings.end(id);
  const again = await refused(ada.meetings.start(id));
  const unseen = await refused(eve.meetings.get(id));
  await ada.meetings.delete(id);
  return {
    created: [
      created.title,
      created.description,
      created.hostUniqueId === given.people.ada.id,
      created.conversationUniqueId === given.context,
      created.scheduledAt.toISOString(),
      created.meetingType,
      created.provider,
      created.maxParticipants,
      created.isRecording,
      created.status,
      created.enabled,
      created.payload,
    ],
    got: [got.title, got.meetingUrl === created.meetingUrl],
    updated: [updated.title, updated.scheduledAt.toISOString(), updated.maxParticipants, updated.isRecording, updated.payload],
    listed: [listed.data.map((one) => one.title), listed.meta],
    found: found.data.map((one) => one.uniqueId === id),
    inGroup: inGroup.meta.totalCount,
    started: [started.status, started.startedAt instanceof Date],
    session: [
      session.sessionId === created.externalMeetingId,
      session.meetingUniqueId === id,
      session.joinUrl === `${created.meetingUrl}#token=${session.token}`,
      session.expiresAt.toISOString(),
    ],
    ended: [ended.status, ended.endedAt instanceof Date, ended.duration],
    notTheirs,
    again,
    unseen,
    gone: await refused(ada.meetings.get(id)),
    left: (await ben.meetings.list()).data.map((one) => one.uniqueId === other.uniqueId),
  };
}
