/** The page of a space: its channels, what is said in one of them, who is here, and a call. */
import type { Channel, Client } from 'parley-js';
import { el } from '../common/dom';
import { avatar } from '../common/avatar';
import { connectionBanner } from '../common/banner';
import { CallView } from '../call/call';
import { ChannelList } from './channels';
import { Composer } from './composer';
import { icon } from '../common/icons';
import { Messages } from './messages';
import { nameOf, peopleList, STATUSES, type Status, typingText } from './people';
import { createRoom } from './rooms';
import { type Talk, type TalkMember, Thread } from './thread';
import type { Visitor } from './visitor';

const CHANNELS = ['general', 'design', 'ideas'];

export class Workspace {
  readonly #client: Client;
  readonly #visitor: Visitor;
  readonly #threads: Thread[];
  readonly #lobby: Channel<Talk>;
  readonly #drafts = new Map<Thread, string>();
  readonly #names = new Map<string, string>();
  #active: Thread;
  #status: Status = 'online';
  #isDrawing = false;

  readonly #messages: Messages;
  readonly #composer: Composer;
  readonly #call: CallView;
  readonly #channelList: ChannelList;
  readonly #title = el('h1', {});
  readonly #count = el('span', {});
  readonly #people = el('ul', { class: 'people-list', 'aria-label': 'People' });
  readonly #typing = el('p', { class: 'typing', role: 'status' });
  readonly #callButton = el('button', { class: 'button', type: 'button', 'aria-label': 'Start a call', click: () => void this.#startCall() }, icon('call'), el('span', {}, 'Start a call'));
  readonly #callError = el('p', { class: 'call-error', role: 'alert' });
  readonly #peopleButton = this.#toggle('people', 'People', icon('people'), this.#count);
  readonly #menuButton = this.#toggle('menu', 'Channels', icon('menu'));
  readonly element: HTMLElement;

  constructor(client: Client, visitor: Visitor, space: string) {
    this.#client = client;
    this.#visitor = visitor;
    const { user } = visitor;
    const channels = CHANNELS.map((name) => client.realtime.subscribe<Talk>(`chat:${space}:${name}`));
    this.#threads = channels.map((channel, at) => this.#thread(CHANNELS[at] ?? '', channel));
    this.#active = this.#threads[0] as Thread;
    this.#lobby = channels[0] as Channel<Talk>;
    this.#channelList = new ChannelList(this.#threads, (thread) => this.#show(thread));
    this.#messages = new Messages({
      myId: user.id,
      nameOf: (id) => this.#names.get(id) ?? 'somebody',
      currentCall: () => this.#call.roomId,
      join: (roomId) => void this.#joinCall(roomId),
      scrolled: () => this.#look(),
    });
    this.#composer = new Composer({
      send: (text) => {
        void this.#active.send(text);
        this.#messages.toNewest();
      },
      keyPressed: () => this.#active.keyPressed(),
      stopped: () => this.#active.stoppedTyping(),
    });
    this.#call = new CallView(client.realtime.webrtc, user.name, () => this.#draw());
    this.#callError.hidden = true;
    this.element = this.#layout();
    this.#comeIn();
    this.#show(this.#active);
  }

  #thread(title: string, channel: Channel<Talk>): Thread {
    const thread: Thread = new Thread(title, channel, this.#visitor.user, {
      changed: () => this.#draw(),
      isWatched: () => thread === this.#active && this.#isLooking(),
    });
    return thread;
  }

  #layout(): HTMLElement {
    return el(
      'div',
      {
        class: 'workspace',
        keydown: (event) => (event as KeyboardEvent).key === 'Escape' && this.#open(''),
        click: (event) => (event.target as HTMLElement).classList.contains('workspace') && this.#open(''),
      },
      el(
        'aside',
        { class: 'sidebar', id: 'panel-menu', tabindex: '-1', 'aria-label': 'Space' },
        el('a', { class: 'brand', href: '/' }, el('img', { src: '/favicon.svg', alt: '', width: '28', height: '28' }), 'Parley'),
        el('h2', {}, 'Channels'),
        el('nav', { 'aria-label': 'Channels' }, this.#channelList.element),
        this.#invitation(),
        this.#self(),
      ),
      el(
        'main',
        { class: 'conversation' },
        el(
          'header',
          {},
          this.#menuButton,
          this.#title,
          el('div', { class: 'actions' }, this.#callButton, this.#peopleButton),
        ),
        connectionBanner(this.#client.realtime),
        this.#callError,
        this.#call.element,
        this.#messages.element,
        this.#typing,
        this.#composer.element,
      ),
      el('aside', { class: 'people', id: 'panel-people', tabindex: '-1', 'aria-label': 'People' }, el('h2', {}, 'People'), this.#people),
    );
  }

  #invitation(): HTMLElement {
    const label = el('span', {}, 'Copy link');
    const copy = async (): Promise<void> => {
      const done = await navigator.clipboard?.writeText(location.href).then(
        () => true,
        () => false,
      );
      label.textContent = done ? 'Copied' : 'Copy the address above';
      setTimeout(() => (label.textContent = 'Copy link'), 2_000);
    };
    return el(
      'section',
      { class: 'invite' },
      el('h2', {}, 'Invite people'),
      el('p', {}, 'Whoever has the link can read and write here.'),
      el('button', { class: 'button', type: 'button', click: () => void copy() }, icon('link'), label),
      el('a', { class: 'button', href: location.href, target: '_blank', rel: 'noopener' }, icon('people'), 'Join as somebody else'),
    );
  }

  #self(): HTMLElement {
    const { user } = this.#visitor;
    const options = Object.entries(STATUSES).map(([value, name]) => el('option', { value }, name));
    const choose = (event: Event): void => {
      this.#status = (event.target as HTMLSelectElement).value as Status;
      this.#sayStatus();
    };
    return el(
      'div',
      { class: 'me' },
      avatar(user.id, user.name),
      el('span', {}, el('b', {}, user.name), el('select', { 'aria-label': 'Your status', change: choose }, ...options)),
    );
  }

  #toggle(panel: string, label: string, ...content: (Node | string)[]): HTMLButtonElement {
    const toggle = (): void => this.#open(this.element.dataset.panel === panel ? '' : panel);
    const attributes = { class: `button toggle ${panel}-toggle`, type: 'button', 'aria-label': label, 'aria-controls': `panel-${panel}`, 'aria-expanded': 'false' };
    return el('button', { ...attributes, click: toggle }, ...content);
  }

  /** On narrow screens: show one of the side panels over the conversation, or none; the keyboard follows. */
  #open(panel: string): void {
    const toggles = { menu: this.#menuButton, people: this.#peopleButton };
    const before = this.element.dataset.panel;
    this.element.dataset.panel = panel;
    for (const [name, toggle] of Object.entries(toggles)) {
      toggle.setAttribute('aria-expanded', String(name === panel));
      if (name === before && panel === '') toggle.focus();
      if (name === panel) this.element.querySelector<HTMLElement>(`#panel-${panel}`)?.focus();
    }
  }

  #comeIn(): void {
    const { name, id } = this.#visitor.user;
    this.#names.set(id, name);
    this.#lobby.on('presence', (members) => this.#drawPeople(members));
    this.#sayStatus();
    document.addEventListener('visibilitychange', () => {
      this.#sayStatus();
      this.#look();
    });
    window.addEventListener('focus', () => this.#look());
  }

  /** Whoever looks elsewhere is away, unless they have said what they are. */
  #sayStatus(): void {
    const isAway = document.hidden && this.#status === 'online';
    const said = { name: this.#visitor.user.name, status: isAway ? 'away' : this.#status };
    const { presence } = this.#lobby;
    // After a lost connection the client enters again by itself, with what was said last.
    presence.update(said).then(
      () => presence.getMembers().then((members) => this.#drawPeople(members)),
    ).catch(() => undefined);
  }

  #drawPeople(members: TalkMember[]): void {
    for (const member of members) this.#names.set(member.user_id, nameOf(member));
    this.#people.replaceChildren(...peopleList(members, this.#visitor.user.id));
    this.#count.textContent = String(members.length);
    this.#draw(); // names of readers
  }

  #show(thread: Thread): void {
    this.#drafts.set(this.#active, this.#composer.draft);
    if (thread !== this.#active) this.#active.leave();
    this.#active = thread;
    this.#title.replaceChildren(icon('hash'), thread.title);
    this.#composer.show(thread.title, this.#drafts.get(thread) ?? '');
    this.#messages.show(thread);
    this.#open('');
    this.#draw();
    if (matchMedia('(hover: hover)').matches) this.#composer.focus(); // elsewhere it opens a keyboard on the screen
  }

  /** Draw soon, once for all that changes now. */
  #draw(): void {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    setTimeout(() => {
      this.#isDrawing = false;
      this.#drawNow();
    });
  }

  #drawNow(): void {
    for (const { authorId, author } of this.#threads.flatMap(({ lines }) => lines)) {
      if (!this.#names.has(authorId)) this.#names.set(authorId, author);
    }
    this.#channelList.draw(this.#active);
    const typing = typingText(this.#active.typing);
    if (this.#typing.textContent !== typing) this.#typing.replaceChildren(typing && el('span', {}, typing));
    const hasUnread = this.#threads.some((thread) => thread !== this.#active && thread.unread > 0);
    this.#menuButton.classList.toggle('has-unread', hasUnread);
    this.#menuButton.setAttribute('aria-label', hasUnread ? 'Channels, with unread messages' : 'Channels');
    this.#callButton.hidden = this.#call.isOpen;
    this.#messages.render();
    this.#look();
    const unread = this.#threads.reduce((count, thread) => count + thread.unread, 0);
    document.title = `${unread > 0 ? `(${unread}) ` : ''}#${this.#active.title} · Parley`;
  }

  #look(): void {
    if (this.#isLooking()) this.#active.look();
  }

  /** Whether somebody sees the newest message. */
  #isLooking(): boolean {
    return this.#messages.isAtEnd && document.visibilityState === 'visible' && document.hasFocus();
  }

  async #startCall(): Promise<void> {
    this.#callButton.disabled = true;
    try {
      const thread = this.#active;
      const roomId = await createRoom(this.#visitor, `#${thread.title}`);
      if (await this.#joinCall(roomId)) await thread.send('', roomId);
    } catch (error) {
      this.#sayCallError(error);
    } finally {
      this.#callButton.disabled = false;
    }
  }

  async #joinCall(roomId: string): Promise<boolean> {
    this.#callError.hidden = true;
    try {
      await this.#call.join(roomId);
      return true;
    } catch (error) {
      this.#sayCallError(error);
      return false;
    }
  }

  #sayCallError(error: unknown): void {
    this.#callError.textContent = error instanceof Error ? error.message : String(error);
    this.#callError.hidden = false;
    setTimeout(() => (this.#callError.hidden = true), 8_000);
  }
}
