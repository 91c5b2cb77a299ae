/** The list of messages: bubbles grouped by author, days, what is unread, and where one has scrolled to. */
import { el } from '../common/dom';
import { avatar } from '../common/avatar';
import { dayOf, fullTimeOf, timeOf } from './dates';
import { icon } from '../common/icons';
import { withLinks } from './links';
import type { Line, Thread } from './thread';

/** Messages of one author within this time stand together. */
const GROUP_MS = 5 * 60_000;
/** Nearer to the end than this counts as being there, in pixels. */
const NEAR = 60;

export interface MessagesOwner {
  myId: string;
  nameOf(userId: string): string;
  /** Room of the call that one is in. */
  currentCall(): string | undefined;
  join(roomId: string): void;
  /** The newest message came into view or left it. */
  scrolled(): void;
}

interface Row {
  key: string;
  /** What it shows: the same text means that the element can stay. */
  signature: string;
  make: () => HTMLElement;
}

export class Messages {
  readonly #owner: MessagesOwner;
  readonly #list = el('div', { class: 'lines', role: 'log', 'aria-label': 'Messages', tabindex: '0' });
  readonly #scroller = el('div', { class: 'scroller', scroll: () => this.#onScroll() }, this.#list);
  readonly #newest = el('button', { class: 'newest', type: 'button', click: () => this.toNewest() });
  readonly element = el('div', { class: 'messages' }, this.#scroller, this.#newest);
  #rows = new Map<string, { signature: string; element: HTMLElement }>();
  #thread: Thread | undefined;
  #isAtEnd = true;
  #firstKey = '';

  constructor(owner: MessagesOwner) {
    this.#owner = owner;
    this.#newest.hidden = true;
    new ResizeObserver(() => this.#isAtEnd && this.toNewest()).observe(this.#scroller);
  }

  /** Whether the newest message is in view. */
  get isAtEnd(): boolean {
    return this.#isAtEnd;
  }

  /** Show a channel, from its newest message. */
  show(thread: Thread): void {
    this.#thread = thread;
    this.#rows.clear();
    this.#list.replaceChildren();
    this.#isAtEnd = true;
    this.render();
  }

  toNewest(): void {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#isAtEnd = true;
    this.#newest.hidden = true;
    this.#owner.scrolled();
  }

  /** Bring the list to what the channel holds now; elements that still say the truth are kept. */
  render(): void {
    const thread = this.#thread;
    if (thread === undefined) return;
    const lines = thread.lines;
    const heightBefore = this.#scroller.scrollHeight;
    const known = this.#rows;
    this.#rows = new Map();
    const elements = this.#rowsOf(thread, lines).map(({ key, signature, make }) => {
      const before = known.get(key);
      const element = before?.signature === signature ? before.element : make();
      this.#rows.set(key, { signature, element });
      return element;
    });
    elements.forEach((element, at) => {
      if (this.#list.children[at] !== element) this.#list.insertBefore(element, this.#list.children[at] ?? null);
    });
    while (this.#list.children.length > elements.length) this.#list.lastElementChild?.remove();

    this.#list.setAttribute('aria-busy', String(thread.isLoading));
    const firstKey = lines[0]?.key ?? '';
    if (this.#isAtEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    else if (firstKey !== this.#firstKey) this.#scroller.scrollTop += this.#scroller.scrollHeight - heightBefore;
    this.#firstKey = firstKey;
    this.#showNewest(thread);
  }

  #onScroll(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    this.#isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR;
    if (this.#thread !== undefined) this.#showNewest(this.#thread);
    if (scrollTop < NEAR) void this.#thread?.loadOlder();
    this.#owner.scrolled();
  }

  #showNewest(thread: Thread): void {
    this.#newest.hidden = this.#isAtEnd;
    const label = thread.unread > 0 ? `${thread.unread} new` : 'Newest';
    if (this.#newest.textContent !== label) this.#newest.replaceChildren(icon('down'), label);
  }

  #rowsOf(thread: Thread, lines: Line[]): Row[] {
    const rows: Row[] = [];
    if (thread.error !== undefined) rows.push(failedRow(thread, thread.error));
    else if (thread.isLoading && lines.length === 0) rows.push(noteRow('loading', 'Loading messages…'));
    else if (!thread.hasMore) rows.push(beginningRow(thread));
    let before: Line | undefined;
    for (const line of lines) {
      const day = dayOf(line.at);
      const isNewDay = before === undefined || dayOf(before.at) !== day;
      if (isNewDay) rows.push({ key: `day ${line.at.toDateString()}`, signature: day, make: () => separator('day', day) });
      const isUnread = line.offset === thread.unreadFrom;
      if (isUnread) rows.push({ key: 'unread', signature: '', make: () => separator('unread', 'New messages') });
      const isFirst =
        isNewDay || isUnread || before?.authorId !== line.authorId || +line.at - +before.at > GROUP_MS || before.call !== undefined;
      rows.push(this.#lineRow(thread, line, isFirst));
      before = line;
    }
    return rows;
  }

  #lineRow(thread: Thread, line: Line, isFirst: boolean): Row {
    const isOwn = line.authorId === this.#owner.myId;
    const readers = isOwn && line.state === 'sent' ? thread.readersOf(line).map((id) => this.#owner.nameOf(id)) : [];
    const isInCall = line.call !== undefined && line.call === this.#owner.currentCall();
    const signature = JSON.stringify([line.state, isFirst, readers, line.text, line.author, line.offset, isInCall]);
    const make = (): HTMLElement => {
      const meta = el(
        'span',
        { class: 'meta' },
        el('time', { datetime: line.at.toISOString(), title: fullTimeOf(line.at) }, timeOf(line.at)),
        isOwn && tick(line, readers),
      );
      const content = line.call === undefined ? withLinks(line.text) : [this.#callCard(line, line.call, isInCall)];
      return el(
        'article',
        { class: `line ${isOwn ? 'own' : ''} ${isFirst ? 'first' : ''} ${line.state}`, 'data-key': line.key },
        !isOwn && (isFirst ? avatar(line.authorId, line.author) : el('span', { class: 'avatar-gap' })),
        el(
          'div',
          { class: 'body' },
          isFirst && !isOwn && el('b', { class: 'author' }, line.author),
          !(isFirst && !isOwn) && el('span', { class: 'sr' }, `${isOwn ? 'You' : line.author}: `),
          el('div', { class: `bubble ${line.call === undefined ? '' : 'card'}` }, ...content, meta),
          line.state === 'failed' &&
            el('button', { class: 'retry', type: 'button', click: () => void thread.retry(line) }, icon('warning'), 'Not sent. Try again'),
        ),
      );
    };
    return { key: line.key, signature, make };
  }

  #callCard(line: Line, roomId: string, isInCall: boolean): HTMLElement {
    const who = line.authorId === this.#owner.myId ? 'You' : line.author;
    return el(
      'div',
      { class: 'call-card' },
      el('span', { class: 'call-icon' }, icon('call')),
      el('span', {}, el('b', {}, `${who} started a call`), el('small', {}, isInCall ? 'You are in it' : 'Video, microphone and screen')),
      !isInCall && el('button', { class: 'button primary', type: 'button', click: () => this.#owner.join(roomId) }, 'Join'),
    );
  }
}

function tick({ state }: Line, readers: string[]): HTMLElement {
  const label = { sending: 'Sending', failed: 'Not sent', sent: 'Sent' }[state];
  const title = readers.length > 0 ? `Read by ${readers.join(', ')}` : label;
  const name = readers.length > 0 ? 'checks' : state === 'sent' ? 'check' : state === 'failed' ? 'warning' : 'clock';
  return el('span', { class: `tick ${readers.length > 0 ? 'read' : ''}`, role: 'img', 'aria-label': title, title }, icon(name));
}

function separator(kind: 'day' | 'unread', text: string): HTMLElement {
  return el('div', { class: `separator ${kind}`, role: 'separator', 'aria-label': text }, el('span', {}, text));
}

function noteRow(key: string, text: string): Row {
  return { key, signature: text, make: () => el('p', { class: 'note' }, text) };
}

function beginningRow(thread: Thread): Row {
  const make = (): HTMLElement =>
    el(
      'div',
      { class: 'beginning' },
      el('span', { class: 'hash' }, icon('hash')),
      el('h2', {}, `Welcome to ${thread.title}`),
      el('p', {}, 'This is where the conversation begins. Say hello, or open this page in a second tab to be two people.'),
    );
  return { key: 'beginning', signature: thread.title, make };
}

function failedRow(thread: Thread, why: string): Row {
  const make = (): HTMLElement =>
    el(
      'p',
      { class: 'note', role: 'alert' },
      `Messages could not be loaded: ${why} `,
      el('button', { class: 'button', type: 'button', click: () => void thread.load() }, 'Try again'),
    );
  return { key: 'failed', signature: why, make };
}
