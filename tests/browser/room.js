// A participant of a WebRTC room that speaks the frames of the Real Time Block itself, without a client library.
'use strict';

const SMALL = { width: { ideal: 320 }, height: { ideal: 180 }, frameRate: { ideal: 8 } };

/** The socket: answers by id, everything else to `onFrame`. */
const socket = {
  waiting: new Map(),
  seen: [],

  open(url, token, apiKey) {
    this.ws = new WebSocket(url);
    return new Promise((resolve, reject) => {
      this.ws.onopen = () => this.send({ type: 'connect', token, api_key: apiKey });
      this.ws.onclose = ({ code, reason }) => reject(new Error(`closed: ${code} ${reason}`));
      this.ws.onmessage = ({ data }) => {
        const frame = JSON.parse(data);
        if (frame.type === 'welcome') return resolve();
        const waiting = this.waiting.get(frame.id);
        if (waiting === undefined) return this.received(frame);
        this.waiting.delete(frame.id);
        if (frame.type === 'ack') return waiting.resolve(frame.result);
        return waiting.reject(Object.assign(new Error(frame.error.detail), { code: frame.error.code }));
      };
    });
  },

  send(frame) {
    this.ws.send(JSON.stringify(frame));
  },

  ask(frame) {
    const id = crypto.randomUUID();
    this.send({ ...frame, id });
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  },

  received(frame) {
    this.seen.push(frame);
    // One after the other: a description is set before the next frame is looked at.
    this.turn = (this.turn ?? Promise.resolve()).then(() => room.received(frame)).catch(error => console.error(error));
  },
};

/** What a participant has of the others: `participant/medium` to its track and element. */
const streams = {};

function show(participantId, medium, track) {
  const key = `${participantId}/${medium}`;
  if (streams[key]?.track === track) return;
  hide(key);
  const element = document.createElement(track.kind);
  Object.assign(element, { autoplay: true, muted: true, srcObject: new MediaStream([track]) });
  document.body.append(element);
  streams[key] = { track, element };
}

function hide(key) {
  streams[key]?.element.remove();
  delete streams[key];
}

const ask = (type, members) => socket.ask({ type, room_id: room.id, ...members });
const signal = members => ask('webrtc.signal', members);

/** Both topologies: who is there, and what one sends. */
const room = {
  async join(roomId, media = {}) {
    this.id = roomId;
    const wanted = { audio: true, video: true, ...media };
    const local = await navigator.mediaDevices.getUserMedia({ audio: true, video: SMALL });
    this.tracks = Object.fromEntries(local.getTracks().map(track => [track.kind, track]));
    const joined = await ask('webrtc.join', wanted);
    this.me = joined.participant;
    this.configuration = { iceServers: joined.ice_servers, bundlePolicy: 'max-bundle' };
    this.topology = joined.topology === 'sfu' ? sfu : mesh;
    await this.topology.start(joined);
    return this.me.id;
  },

  async received(frame) {
    if (frame.type === 'webrtc.signal') await this.topology.heard(frame);
    if (frame.type === 'webrtc.participant' && frame.action === 'left') this.topology.left?.(frame.participant.id);
  },

  leave: () => ask('webrtc.leave', {}),
  switch: media => ask('webrtc.media', media),
};

/** A connection with each of the others; whoever comes later makes the offer. */
const mesh = {
  connections: {},

  async start({ participants }) {
    await Promise.all(participants.map(({ id }) => this.call(id)));
  },

  connection(id) {
    if (this.connections[id]) return this.connections[id];
    const made = (this.connections[id] = new RTCPeerConnection(room.configuration));
    for (const track of Object.values(room.tracks)) made.addTrack(track);
    made.ontrack = ({ track }) => show(id, track.kind, track);
    made.onicecandidate = ({ candidate }) => signal({ to: id, kind: 'candidate', candidate });
    return made;
  },

  async call(id) {
    const made = this.connection(id);
    await made.setLocalDescription();
    await signal({ to: id, kind: 'offer', sdp: made.localDescription.sdp });
  },

  async heard({ from, kind, sdp, candidate }) {
    const known = this.connection(from);
    if (kind === 'candidate') return known.addIceCandidate(candidate ?? undefined);
    await known.setRemoteDescription({ type: kind, sdp });
    if (kind !== 'offer') return;
    await known.setLocalDescription();
    await signal({ to: from, kind: 'answer', sdp: known.localDescription.sdp });
  },

  left(id) {
    this.connections[id]?.close();
    delete this.connections[id];
    for (const key of Object.keys(streams)) if (key.startsWith(`${id}/`)) hide(key);
  },
};

/** One connection to the server for what one sends, and one for what the others send. */
const sfu = {
  number: 0,

  async start({ sfu: { id } }) {
    this.id = id;
    await this.openSender();
    await this.openReceiver();
  },

  tell(pc, members) {
    return signal({ to: this.id, pc, connection: this[pc].name, ...members });
  },

  open(pc) {
    this[pc]?.close();
    this[pc] = new RTCPeerConnection(room.configuration);
    this[pc].name = String(++this.number);
    return this[pc];
  },

  async openSender() {
    const made = this.open('send');
    for (const track of Object.values(room.tracks)) made.addTransceiver(track, { direction: 'sendonly' });
    await this.publish();
  },

  /** Offer what is sent now. */
  async publish() {
    await this.send.setLocalDescription();
    const tracks = {};
    for (const { mid, direction, sender } of this.send.getTransceivers()) {
      if (direction === 'sendonly') tracks[mid] = sender.track.medium ?? sender.track.kind;
    }
    await this.tell('send', { kind: 'offer', sdp: this.send.localDescription.sdp, tracks });
  },

  async share() {
    const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 180 });
    const context = canvas.getContext('2d');
    setInterval(() => {
      context.fillStyle = `hsl(${performance.now() % 360} 50% 50%)`;
      context.fillRect(0, 0, 320, 180);
    }, 100);
    const [track] = canvas.captureStream(8).getTracks();
    track.medium = 'screen';
    this.screen = this.send.addTransceiver(track, { direction: 'sendonly' });
    await this.publish();
    await room.switch({ screen: true });
  },

  async stopSharing() {
    this.screen.direction = 'inactive';
    await this.publish();
    await room.switch({ screen: false });
  },

  async openReceiver() {
    const made = this.open('receive');
    made.addTransceiver('audio', { direction: 'recvonly' });
    made.addTransceiver('video', { direction: 'recvonly' });
    await this.offerToReceive();
  },

  async offerToReceive() {
    await this.receive.setLocalDescription();
    await this.tell('receive', { kind: 'offer', sdp: this.receive.localDescription.sdp });
  },

  /** Get rid of sections whose streams have ended. */
  async tidy() {
    const [, , ...rest] = this.receive.getTransceivers();
    for (const transceiver of rest) if (!this.carried[transceiver.mid]) transceiver.stop();
    await this.offerToReceive();
  },

  async heard({ pc, connection, kind, sdp, streams: carried }) {
    const known = this[pc];
    if (connection !== undefined && known.name !== connection) return;
    if (kind === 'reset') {
      await (pc === 'send' ? this.again(() => this.openSender()) : this.again(() => this.openReceiver()));
      return;
    }
    if (sdp !== undefined) await known.setRemoteDescription({ type: kind, sdp });
    if (kind === 'offer') {
      await known.setLocalDescription();
      await this.tell('receive', { kind: 'answer', sdp: known.localDescription.sdp });
    }
    if (carried !== undefined) this.carry(carried);
  },

  async again(open) {
    for (;;) {
      try {
        return await open();
      } catch (error) {
        if (error.code !== 'service_unavailable') throw error;
        await new Promise(resolve => setTimeout(resolve, 300));
      }
    }
  },

  carry(carried) {
    this.carried = carried;
    const now = new Set(Object.values(carried).map(({ participant_id, medium }) => `${participant_id}/${medium}`));
    for (const key of Object.keys(streams)) if (!now.has(key)) hide(key);
    for (const transceiver of this.receive.getTransceivers()) {
      const stream = carried[transceiver.mid];
      if (stream) show(stream.participant_id, stream.medium, transceiver.receiver.track);
    }
  },
};

/** Decoded frames, or packets of sound, of one of the others' streams. */
async function received(key) {
  const stream = streams[key];
  const connections = [sfu.receive, ...Object.values(mesh.connections)].filter(Boolean);
  const owner = connections.find(each => each.getReceivers().some(({ track }) => track === stream?.track));
  if (!owner) return 0;
  for (const stat of (await owner.getStats(stream.track)).values()) {
    if (stat.type === 'inbound-rtp') return (stat.kind === 'video' ? stat.framesDecoded : stat.packetsReceived) ?? 0;
  }
  return 0;
}
