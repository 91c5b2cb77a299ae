// What the tests call on a page: the client as it is built, and eyes and ears.
import { createClient } from './parley.js';

const SMALL = { width: { ideal: 320 }, height: { ideal: 180 }, frameRate: { ideal: 8 } };

/** The user picks a screen; that dialogue is the browser's own. */
navigator.mediaDevices.getDisplayMedia = async () => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 180 });
  const context = canvas.getContext('2d');
  setInterval(() => {
    context.fillStyle = `hsl(${performance.now() % 360} 50% 50%)`;
    context.fillRect(0, 0, 320, 180);
  }, 100);
  return canvas.captureStream(8);
};

const sinks = new Map();

/** Play a stream, and count its pictures. */
function play(stream) {
  if (sinks.has(stream.id)) return;
  const element = Object.assign(document.createElement('video'), { autoplay: true, muted: true, srcObject: stream });
  document.body.append(element);
  const sink = { pictures: 0 };
  const count = () => {
    sink.pictures += 1;
    element.requestVideoFrameCallback(count);
  };
  element.requestVideoFrameCallback(count);
  sinks.set(stream.id, sink);
}

window.page = {
  told: [],

  async connect(url, apiKey, token) {
    this.client = createClient({ url, apiKey, userToken: token });
    const { realtime } = this.client;
    for (const event of ['connected', 'disconnected', 'reconnecting', 'error']) {
      realtime.on(event, what => this.told.push([event, String(what?.message ?? what?.resumed ?? what)]));
    }
    const options = { reconnectDelay: 50, maxReconnectAttempts: 1000 };
    return (await realtime.connect({ token, options })).user_id;
  },

  /** Run an example. */
  async run(code) {
    const AsyncFunction = (async () => {}).constructor;
    await new AsyncFunction('client', code)(this.client);
  },

  chat(name, profile) {
    this.messages = [];
    this.channel = this.client.realtime.subscribe(name);
    this.channel.on('message', message => this.messages.push([message.user_id, message.data.text]));
    return this.channel.presence.enter(profile).then(() => true);
  },

  members() {
    return this.channel.presence.members.map(({ data }) => data.name).sort();
  },

  async join(roomId, media) {
    const wanted = { audio: true, video: SMALL, ...media };
    this.room = await this.client.realtime.webrtc.join({ room_id: roomId, ...wanted });
    this.heard = [];
    for (const kind of ['joined', 'left', 'audio', 'video', 'screen']) {
      const note = participant => this.heard.push([kind, participant.user_id]);
      this.room.on(`participant:${kind}`, note);
    }
    this.room.on('error', error => this.told.push(['room error', error.message]));
    return this.room.self.id;
  },

  /** `user/medium` to how much of it has arrived so far. */
  async arrived() {
    const found = {};
    for (const participant of this.room?.participants ?? []) {
      for (const [which, stream] of [['video', participant.stream], ['screen', participant.screenStream]]) {
        if (stream === undefined) continue;
        play(stream);
        found[`${participant.user_id}/${which}`] = sinks.get(stream.id).pictures;
      }
      const audio = participant.stream?.getAudioTracks()[0];
      for (const stat of (await this.room.stats(participant.id))?.values() ?? []) {
        if (stat.type === 'inbound-rtp' && stat.trackIdentifier === audio?.id) {
          found[`${participant.user_id}/audio`] = stat.packetsReceived;
        }
      }
    }
    return found;
  },

  state() {
    return this.room.participants.map(({ user_id, audio, video, screen }) => ({ user_id, audio, video, screen }));
  },
};
