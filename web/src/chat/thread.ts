/** One channel as this page knows it: its messages in order, who writes, who has read how far. */
import type { Channel, Member, Message, Receipt, Typist } from 'parley-js';

/** What travels on the channels of this page. Any member can send anything, so it is looked at before use. */
export interface Talk {
  message: { text?: unknown; name?: unknown; call?: unknown };
  presence: { name?: string };
}
export type TalkMember = Member<Talk['presence']>;

/** A message as it is shown. */
export interface Line {
  /** The server's id; until it is stored, the sender's. */
  key: string;
  authorId: string;
  author: string;
  text: string;
  /** Room of the call that this message announces. */
  call?: string;
  at: Date;
  /** Place in the channel; infinite until it is stored. */
  offset: number;
  state: 'sending' | 'failed' | 'sent';
}

const PAGE = 50;
/** A typist who says nothing more has stopped; the server says so too, unless it is gone. */
const TYPING_MS = 8_000;
/** Own messages whose readers are asked for when a channel is opened. */
const ASKED = 5;

export interface ThreadOwner {
  changed(): void;
  /** Whether somebody sees the newest message of this channel. */
  isWatched(): boolean;
}

export class Thread {
  readonly #channel: Channel<Talk>;
  readonly #owner: ThreadOwner;
  readonly #me: { id: string; name: string };
  #lines = new Map<string, Line>();
  readonly #waiting = new Map<string, Line>();
  readonly #readUpTo = new Map<string, number>();
  readonly #typists = new Map<string, { name: string; timer: number }>();
  /** Whether there are older messages. */
  hasMore = true;
  isLoading = false;
  /** What went wrong with loading. */
  error: string | undefined;
  /** Last place that was on the screen. */
  #seen: number;
  /** First place behind it when somebody looked away. */
  unreadFrom: number | undefined;

  constructor(
    readonly title: string,
    channel: Channel<Talk>,
    me: { id: string; name: string },
    owner: ThreadOwner,
  ) {
    this.#channel = channel;
    this.#me = me;
    this.#owner = owner;
    this.#seen = Number(sessionStorage.getItem(this.#seenKey) ?? -1);
    channel.on('message', (message) => this.#take(message));
    channel.on('reload', () => void this.load());
    channel.on('message:read', (receipt) => this.#read(receipt));
    channel.on('typing:start', (user) => this.#typing(user, true));
    channel.on('typing:stop', (user) => this.#typing(user, false));
    void this.load();
  }

  /** In the order of the channel, what waits at the end. */
  get lines(): Line[] {
    const stored = [...this.#lines.values()].sort((one, other) => one.offset - other.offset);
    return [...stored, ...this.#waiting.values()];
  }

  /** Messages of others that nobody has looked at. */
  get unread(): number {
    let count = 0;
    for (const line of this.#lines.values()) if (this.#isNew(line)) count += 1;
    return count;
  }

  /** Names of the others who write. */
  get typing(): string[] {
    return Array.from(this.#typists.values(), ({ name }) => name);
  }

  /** Others who have read a line. */
  readersOf(line: Line): string[] {
    return [...this.#readUpTo].filter(([, upTo]) => upTo >= line.offset).map(([id]) => id);
  }

  /** Fetch the newest messages, and who has read them. */
  async load(): Promise<void> {
    await this.#fetch(undefined);
    await this.#loadReaders().catch(() => undefined); // only the ticks are late then
  }

  /** Fetch the page before the oldest message. */
  async loadOlder(): Promise<void> {
    const oldest = this.lines[0];
    if (this.hasMore && !this.isLoading && oldest !== undefined) await this.#fetch(oldest.key);
  }

  send(text: string, call?: string): Promise<void> {
    const key = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    const { id, name } = this.#me;
    const line: Line = { key, authorId: id, author: name, text, at: new Date(), offset: Infinity, state: 'sending' };
    if (call !== undefined) line.call = call;
    this.unreadFrom = undefined;
    return this.#post(line);
  }

  /** Send a line again that could not be sent; the server stores it once. */
  retry(line: Line): Promise<void> {
    return this.#post({ ...line, state: 'sending' });
  }

  keyPressed(): void {
    this.#channel.typing.start({ user_name: this.#me.name });
  }

  stoppedTyping(): void {
    this.#channel.typing.stop();
  }

  /** The newest message is on the screen, and somebody looks at it. */
  look(): void {
    const newest = this.lines.findLast((line) => line.state === 'sent');
    if (newest === undefined || newest.offset <= this.#seen) return;
    const hadUnread = this.unread > 0;
    this.#seen = newest.offset;
    sessionStorage.setItem(this.#seenKey, String(newest.offset));
    if (!hadUnread) return;
    // Without a connection nobody is told now; the next message that is read says it for this one as well.
    this.#channel.messages.markAsRead(newest.key, { upTo: true }).catch(() => undefined);
    this.#owner.changed();
  }

  /** The channel is being left: what was new is not new when one comes back. */
  leave(): void {
    this.unreadFrom = undefined;
    this.stoppedTyping();
  }

  async #fetch(before: string | undefined): Promise<void> {
    this.isLoading = true;
    this.error = undefined;
    this.#owner.changed();
    try {
      await this.#channel.ready(); // which makes a channel that nobody has used yet
      const page = await this.#channel.history.fetch(before === undefined ? { limit: PAGE } : { limit: PAGE, before });
      const isGap = before === undefined && !page.some(({ id }) => this.#lines.has(id));
      if (isGap) this.#lines.clear();
      for (const message of page) this.#keep(message);
      if (isGap || before !== undefined) this.hasMore = page.length === PAGE;
      if (before === undefined) this.unreadFrom ??= this.#firstNew();
    } catch (error) {
      this.error = error instanceof Error ? error.message : String(error);
    } finally {
      this.isLoading = false;
      this.#owner.changed();
    }
  }

  async #loadReaders(): Promise<void> {
    const own = this.lines.filter((line) => line.authorId === this.#me.id && line.state === 'sent');
    for (const line of own.slice(-ASKED).reverse()) {
      const { read_by } = await this.#channel.messages.getReadStatus(line.key);
      const others = read_by.filter((id) => id !== this.#me.id);
      for (const id of others) this.#advance(id, line.offset);
      if (others.length > 0) break; // what is older has been read by them as well
    }
    this.#owner.changed();
  }

  async #post(line: Line): Promise<void> {
    this.#waiting.set(line.key, line);
    this.#owner.changed();
    const data = { text: line.text, name: line.author, call: line.call };
    try {
      const sent = await this.#channel.send({ type: 'message', data }, { client_id: line.key });
      if (this.#waiting.delete(line.key)) {
        this.#lines.set(sent.id, { ...line, key: sent.id, offset: sent.offset, at: new Date(sent.created_at), state: 'sent' });
      }
    } catch {
      if (this.#waiting.has(line.key)) this.#waiting.set(line.key, { ...line, state: 'failed' });
    }
    this.#owner.changed();
  }

  #take(message: Message<Talk['message']>): void {
    const line = this.#keep(message);
    this.#typists.delete(line.authorId);
    if (this.#isNew(line) && !this.#owner.isWatched()) this.unreadFrom ??= line.offset;
    this.#owner.changed();
  }

  #keep(message: Message<Talk['message']>): Line {
    const { id, user_id, offset, created_at, client_id } = message;
    const data = Object(message.data) as Talk['message'];
    const line: Line = {
      key: id,
      authorId: user_id ?? '',
      author: typeof data.name === 'string' && data.name !== '' ? data.name.slice(0, 60) : (user_id ?? 'Server'),
      text: typeof data.text === 'string' ? data.text : '',
      at: new Date(created_at),
      offset,
      state: 'sent',
    };
    if (typeof data.call === 'string') line.call = data.call;
    if (client_id !== undefined && user_id === this.#me.id) this.#waiting.delete(client_id);
    this.#lines.set(id, line);
    this.#advance(line.authorId, offset); // whoever answers has read what was before
    return line;
  }

  #isNew(line: Line): boolean {
    return line.offset > this.#seen && line.authorId !== this.#me.id;
  }

  #firstNew(): number | undefined {
    return this.#seen < 0 ? undefined : this.lines.find((line) => this.#isNew(line))?.offset;
  }

  #read({ message_id, user_id }: Receipt): void {
    const line = this.#lines.get(message_id);
    if (line === undefined) return;
    this.#advance(user_id, line.offset);
    this.#owner.changed();
  }

  #advance(userId: string, offset: number): void {
    if (userId === '' || userId === this.#me.id) return;
    this.#readUpTo.set(userId, Math.max(offset, this.#readUpTo.get(userId) ?? -1));
  }

  #typing({ user_id, user_name }: Typist, isTyping: boolean): void {
    if (user_id === this.#me.id) return;
    clearTimeout(this.#typists.get(user_id)?.timer);
    this.#typists.delete(user_id);
    if (isTyping) {
      const timer = window.setTimeout(() => {
        this.#typists.delete(user_id);
        this.#owner.changed();
      }, TYPING_MS);
      this.#typists.set(user_id, { name: user_name, timer });
    }
    this.#owner.changed();
  }

  get #seenKey(): string {
    return `parley-seen:${this.#channel.name}:${this.#me.id}`;
  }
}
