// What the tests ask of a participant's page. `meeting` is the official client of the page.
'use strict';

const connections = [];
window.RTCPeerConnection = new Proxy(window.RTCPeerConnection, {
  construct(native, args) {
    const made = new native(...args);
    connections.push(made);
    return made;
  },
});

/** What happened, oldest first: `[event, detail]`. */
const seen = [];

const MEDIA_EVENTS = ['participantJoined', 'videoUpdate', 'audioUpdate', 'screenShareUpdate'];

/** Small and slow, so that two processor cores can encode several of them. */
const SMALL_CAMERA = { video: { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 10 } } };

/** Initialise the client, as any customer's page does. Resolves before `join`. */
async function enter(token, base, defaults) {
  watch(await RealtimeKitClient.init({
    authToken: token,
    baseURI: base,
    defaults: { audio: true, video: true, mediaConfiguration: SMALL_CAMERA, ...defaults },
  }));
}

function watch(client) {
  window.meeting = client;
  const { self, participants, meta, stage, connectedMeetings } = client;
  const note = (emitter, ...names) => {
    for (const name of names) emitter.on(name, detail => seen.push([name, plain(detail)]));
  };
  note(self, 'roomJoined', 'roomLeft', 'waitlisted', 'permissionsUpdate');
  note(participants, 'broadcastedMessage', 'activeSpeaker');
  note(meta, 'socketConnectionUpdate', 'mediaConnectionUpdate');
  if (stage) note(stage, 'stageRequestApproved', 'stageRequestRejected', 'stageStatusUpdate');
  for (const name of MEDIA_EVENTS) participants.joined.on(name, show);
  participants.joined.toArray().forEach(show); // in a breakout room they are there already
  participants.joined.on('participantLeft', hide);
  connectedMeetings?.on('meetingChanged', watch);
}

function plain(detail) {
  try {
    return JSON.parse(JSON.stringify(detail ?? null));
  } catch {
    return null;
  }
}

const happened = name => seen.filter(([event]) => event === name).map(([, detail]) => detail);

/** A joined participant by name. */
function person(name) {
  return meeting.participants.joined.toArray().find(each => each.name === name);
}

const names = () => meeting.participants.joined.toArray().map(each => each.name).sort();
const texts = () => meeting.chat.messages.filter(each => each.type === 'text').map(each => each.message);
const message = text => meeting.chat.messages.find(each => each.message === text);

function tracks(participant) {
  const screen = participant.screenShareEnabled ? participant.screenShareTracks : {};
  return {
    camera: participant.videoEnabled ? participant.videoTrack : null,
    microphone: participant.audioEnabled ? participant.audioTrack : null,
    screen: screen.video,
    screenSound: screen.audio,
  };
}

/** Play everything of a participant; browsers decode only what is played. */
function show(participant) {
  for (const [what, track] of Object.entries(tracks(participant))) {
    const id = `${what}-${participant.id}`;
    const element = document.getElementById(id) ?? document.createElement(track?.kind ?? 'video');
    if (!track) {
      element.remove();
      continue;
    }
    Object.assign(element, { id, autoplay: true, playsInline: true });
    if (element.srcObject?.getTracks()[0] !== track) element.srcObject = new MediaStream([track]);
    document.body.append(element);
  }
}

function hide({ id }) {
  for (const element of document.querySelectorAll(`[id$="-${CSS.escape(id)}"]`)) element.remove();
}

async function inbound(track) {
  for (const connection of connections) {
    if (!connection.getReceivers().some(receiver => receiver.track === track)) continue;
    for (const stat of (await connection.getStats(track)).values()) {
      if (stat.type === 'inbound-rtp') return stat;
    }
  }
  return null;
}

/** `{track, count, width}` of one live track; `count` is decoded frames, or the energy of the sound heard. */
async function received(name, what) {
  const participant = person(name);
  const track = participant && tracks(participant)[what];
  if (!track || track.readyState !== 'live') return null;
  const stat = await inbound(track);
  if (!stat) return null;
  const count = track.kind === 'video' ? stat.framesDecoded : stat.totalAudioEnergy;
  return { track: track.id, count: count ?? 0, width: stat.frameWidth ?? 0 };
}

/** Where things stand, for the message of a failed test. */
function situation() {
  if (!window.meeting) return { meeting: 'not initialised', seen };
  return {
    room: meeting.self.roomState,
    stage: meeting.stage?.status,
    others: meeting.participants.joined.toArray().map(each => {
      const live = Object.entries(tracks(each)).filter(([, track]) => track?.readyState === 'live');
      return `${each.name}: ${live.map(([what]) => what)}`;
    }),
    seen: seen.slice(-8),
  };
}
