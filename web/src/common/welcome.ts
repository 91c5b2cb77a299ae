/** Pages of one panel: what one sees before coming in, and when one cannot. */
import { el } from './dom';

/** What is asked before somebody comes in. */
export interface Question {
  title: string;
  /** Paragraphs below it. */
  about: string[];
  /** Word on the button. */
  action: string;
  /** A name that is not to be chosen. */
  name?: string | undefined;
}

/** Show the form until somebody is let in; `enter` rejects with a sentence for people. */
export function askName<T>(root: HTMLElement, question: Question, enter: (name: string) => Promise<T>): Promise<T> {
  const { title, about, action, name } = question;
  return new Promise((resolve) => {
    const field = el('input', { id: 'name', name: 'name', maxlength: '60', required: '', autocomplete: 'name', placeholder: 'Ada Lovelace' });
    const button = el('button', { class: 'button primary', type: 'submit' }, action);
    const error = el('p', { class: 'error', role: 'alert' });
    error.hidden = true;
    const submit = async (event: Event): Promise<void> => {
      event.preventDefault();
      button.disabled = true;
      error.hidden = true;
      try {
        resolve(await enter(name ?? field.value));
      } catch (reason) {
        error.textContent = reason instanceof Error ? reason.message : String(reason);
        error.hidden = false;
        button.disabled = false;
      }
    };
    const who = name === undefined ? [el('label', { for: 'name' }, 'Your name'), field] : [el('p', {}, 'You join as ', el('b', {}, name), '.')];
    root.replaceChildren(
      panelPage(
        el(
          'form',
          { class: 'panel', submit: (event) => void submit(event) },
          el('h1', {}, title),
          ...about.map((text) => el('p', {}, text)),
          ...who,
          button,
          error,
        ),
      ),
    );
    (name === undefined ? field : button).focus();
  });
}

/** A page with one thing to say, and what can be done about it; by default, to go to the start page. */
export function notice(root: HTMLElement, title: string, text: string, action?: HTMLElement): void {
  const toStart = el('a', { class: 'button', href: '/' }, 'To the start page');
  root.replaceChildren(
    panelPage(el('section', { class: 'panel', role: 'alert' }, el('h1', {}, title), el('p', {}, text), action ?? toStart)),
  );
}

function panelPage(panel: HTMLElement): HTMLElement {
  const brand = el('a', { class: 'brand', href: '/' }, el('img', { src: '/favicon.svg', alt: '', width: '34', height: '34' }), 'Parley');
  return el('main', { class: 'welcome' }, brand, panel);
}
