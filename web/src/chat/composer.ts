/** Where a message is written: Enter sends, Shift+Enter begins a new line. */
import { el } from '../common/dom';
import { icon } from '../common/icons';

const LONGEST = 4_000; // characters

export interface ComposerOwner {
  send(text: string): void;
  keyPressed(): void;
  stopped(): void;
}

export class Composer {
  readonly #owner: ComposerOwner;
  readonly #field = el('textarea', {
    rows: '1',
    maxlength: String(LONGEST),
    'aria-describedby': 'composer-hint',
    input: () => this.#onInput(),
    keydown: (event) => this.#onKey(event as KeyboardEvent),
    blur: () => this.#owner.stopped(),
  });
  readonly #button = el('button', { class: 'send', type: 'submit', 'aria-label': 'Send' }, icon('send'));
  readonly element = el(
    'form',
    {
      class: 'composer',
      submit: (event) => {
        event.preventDefault();
        this.#send();
      },
    },
    this.#field,
    this.#button,
    el('p', { id: 'composer-hint', class: 'hint' }, el('kbd', {}, 'Enter'), ' sends, ', el('kbd', {}, 'Shift + Enter'), ' begins a new line'),
  );

  constructor(owner: ComposerOwner) {
    this.#owner = owner;
    this.#button.disabled = true;
    new ResizeObserver(() => this.#fit()).observe(this.element); // once it is shown, and when lines break elsewhere
  }

  /** Write to a channel; what was begun for another one stays there. */
  show(title: string, draft: string): void {
    this.#field.placeholder = `Message #${title}`;
    this.#field.setAttribute('aria-label', `Message ${title}`);
    this.#field.value = draft;
    this.#fit();
  }

  get draft(): string {
    return this.#field.value;
  }

  focus(): void {
    this.#field.focus();
  }

  #onKey(event: KeyboardEvent): void {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return; // an input method takes Enter itself
    event.preventDefault();
    this.#send();
  }

  #onInput(): void {
    this.#fit();
    if (this.#field.value.trim() === '') this.#owner.stopped();
    else this.#owner.keyPressed();
  }

  #send(): void {
    const text = this.#field.value.trim();
    if (text === '') return;
    this.#field.value = '';
    this.#fit();
    this.#owner.send(text);
    this.#field.focus();
  }

  /** As high as its text, up to what the style sheet allows. */
  #fit(): void {
    this.#button.disabled = this.#field.value.trim() === '';
    this.#field.style.height = 'auto';
    const borders = this.#field.offsetHeight - this.#field.clientHeight;
    this.#field.style.height = `${this.#field.scrollHeight + borders}px`;
  }
}
