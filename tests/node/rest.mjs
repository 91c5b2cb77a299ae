// Asks for every route of the REST API with the official Node SDK; prints what was answered, as one JSON object.
//
//     node rest.mjs BASE_URL TOKEN ACCOUNT_ID APP_ID MEETING_ID SESSION_ID
//
// MEETING_ID is a meeting in which the participant with the custom id "live" is, whose call was measured;
// SESSION_ID is an ended session of another one, in which something was written.
import Cloudflare from "cloudflare";

const [baseURL, apiToken, account_id, app_id, liveMeeting, ended] = process.argv.slice(2);
const client = new Cloudflare({ apiToken, baseURL, maxRetries: 0, timeout: 10_000 });
const { apps, meetings, presets, activeSession, sessions, recordings, webhooks, analytics, livestreams } = client.realtimeKit;
const account = { account_id };
const here = { account_id, app_id };
const told = {};

told.app = (await apps.post({ ...account, name: "Node" })).data.app.name;
told.apps = (await apps.get({ ...account, search: "node" })).paging.total_count;

const meeting = (await meetings.create(app_id, { ...account, title: "From Node" })).data;
told.meeting = meeting.title;
told.found = (await meetings.get(app_id, { ...account, search: "from n" })).data.length;
told.same = (await meetings.getMeetingByID(meeting.id, here)).data.id === meeting.id;
told.status = (await meetings.updateMeetingByID(meeting.id, { ...here, status: "INACTIVE" })).data.status;
told.replaced = (await meetings.replaceMeetingByID(meeting.id, { ...here, persist_chat: true })).data.title;

const person = (
  await meetings.addParticipant(meeting.id, {
    ...here,
    custom_participant_id: "node",
    preset_name: "group_call_host",
  })
).data;
const inMeeting = { ...here, meeting_id: meeting.id };
told.token = JSON.parse(atob(person.token.split(".")[1])).meetingId === meeting.id;
told.participants = (await meetings.getMeetingParticipants(meeting.id, here)).data.length;
told.participant = (await meetings.getMeetingParticipant(person.id, inMeeting)).data.custom_participant_id;
told.edited = (await meetings.editParticipant(person.id, { ...inMeeting, name: "Node" })).data.name;
told.refreshed = (await meetings.refreshParticipantToken(person.id, inMeeting)).data.token !== person.token;

const rows = (await presets.get(app_id, { ...account, search: "webinar_viewer" })).data;
const preset = (await presets.getPresetByID(rows[0].id, here)).data;
const { config, permissions, ui } = preset;
const copy = (await presets.create(app_id, { ...account, name: "Copy", config, permissions, ui })).data;
told.copied = JSON.stringify(copy.permissions) === JSON.stringify(permissions);
told.renamed = (await presets.update(copy.id, { ...here, name: "Renamed" })).data.name;
told.replacedPreset = (
  await presets.replacePresetByID(copy.id, { ...here, name: "Replaced", config, permissions, ui })
).data.name;
told.deletedPreset = (await presets.delete(copy.id, here)).data.name;

const session = (await activeSession.getActiveSession(liveMeeting, here)).data;
told.live = session.status;
told.sessions = (await sessions.getSessions(app_id, { ...account, status: "LIVE" })).data.sessions.length;
told.details = (await sessions.getSessionDetails(session.id, here)).data.id === session.id;
const peers = (await sessions.getSessionParticipants(session.id, here)).data.participants;
told.peers = peers.map((peer) => peer.custom_participant_id);
const inSession = { ...here, session_id: session.id };
told.peer = (await sessions.getSessionParticipantDetails(peers[0].user_id, inSession)).data.participant.id ===
  peers[0].id;
told.report = (await sessions.getParticipantDataFromPeerID(peers[0].id, here)).data.participant.role;
const { metadata, quality } = (
  await sessions.getParticipantDataFromPeerID(peers[0].id, here)
).data.participant.peer_report;
told.measured = [metadata.sdk_version, quality.audio_consumer.length, quality.video_producer_cumulative.frame_width.p90];
told.chat = (await sessions.getSessionChat(ended, here)).data.chat_download_url.includes(ended);
told.poll = (
  await activeSession.createPoll(liveMeeting, { ...here, question: "?", options: ["a", "b"] })
).data.poll.options.map((option) => option.text);

const asked = (await recordings.startRecordings(app_id, { ...account, meeting_id: liveMeeting })).data;
told.asked = asked.status;
told.active = (await recordings.getActiveRecordings(liveMeeting, here)).data.id === asked.id;
told.recordings = (await recordings.getRecordings(app_id, { ...account, meeting_id: liveMeeting })).data.length;
told.recording = (await recordings.getOneRecording(asked.id, here)).data.output_file_name.endsWith(".mp4");
told.stopped = (
  await recordings.pauseResumeStopRecording(asked.id, { ...here, action: "stop" })
).data.stop_reason.reason;
told.tracks = (
  await recordings.startTrackRecording(app_id, { ...account, meeting_id: liveMeeting })
).data.recording.id.length;

const hook = (
  await webhooks.createWebhook(app_id, {
    ...account,
    name: "Node",
    url: "https://x.example/hook",
    events: ["recording.statusUpdate"],
  })
).data;
told.hook = (await webhooks.getWebhookByID(hook.id, here)).data.events;
told.hooks = (await webhooks.getWebhooks(app_id, account)).data.length;
told.editedHook = (await webhooks.editWebhook(hook.id, { ...here, enabled: false })).data.enabled;
told.replacedHook = (
  await webhooks.replaceWebhook(hook.id, { ...here, name: "N", url: hook.url, events: hook.events })
).data.enabled;
told.deletedHook = (await webhooks.deleteWebhook(hook.id, here)).data.name;

told.sessionsCounted = (await analytics.getOrgAnalytics(app_id, account)).data.session_stats.sessions_count;
const absent = [
  () => sessions.getSessionChat(session.id, here),
  () => sessions.getSessionTranscripts(session.id, here),
  () => sessions.getSessionSummary(session.id, here),
];
told.absent = await Promise.all(absent.map((ask) => ask().catch((error) => error.status)));
told.summary = await sessions.generateSummaryOfTranscripts(session.id, here).catch((error) => error.status);

const on = (await livestreams.startLivestreamingAMeeting(liveMeeting, { ...here, name: "node" })).data;
told.streaming = on.status;
told.activeStream = (await livestreams.getMeetingActiveLivestreams(liveMeeting, here)).data.id === on.id;
const run = (await livestreams.getActiveLivestreamsForLivestreamID(on.id, here)).data.session;
told.ingested = run.ingest_seconds;

told.run = (await livestreams.getLivestreamSessionDetailsForSessionID(run.id, here)).data.viewer_seconds;
told.streamStopped = (await livestreams.stopLivestreamingAMeeting(liveMeeting, here)).data.message;
told.stream = (await livestreams.getLivestreamSessionForLivestreamID(on.id, here)).data.livestream.status;
told.streams = (await livestreams.getAllLivestreams(app_id, account)).data.paging.total_count;
told.use = (await livestreams.getLivestreamAnalyticsComplete(app_id, account)).data.count;
told.useByDay = (await livestreams.getLivestreamAnalyticsDaywise(app_id, account)).data.length > 27;

told.kicked = (
  await activeSession.kickParticipants(liveMeeting, { ...here, custom_participant_ids: ["live"] })
).data.participants.length;
told.kickedAll = (await activeSession.kickAllParticipants(liveMeeting, here)).data.action;

told.removed = (await meetings.deleteMeetingParticipant(person.id, inMeeting)).data.custom_participant_id;
try {
  await meetings.getMeetingParticipant(person.id, inMeeting);
} catch (error) {
  told.gone = { name: error.constructor.name, status: error.status };
}
console.log(JSON.stringify(told));
