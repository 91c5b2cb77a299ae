/** The first thing a visitor sees: what is one's name? */
import type { Visitor } from './visitor';
import { el } from '../common/dom';

/** Show the form until somebody is let in. */
export function welcome(root: HTMLElement, lead: string, action: string, enter: (name: string) => Promise<Visitor>): Promise<Visitor> {
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
        resolve(await enter(field.value));
      } catch (reason) {
        error.textContent = reason instanceof Error ? reason.message : String(reason);
        error.hidden = false;
        button.disabled = false;
      }
    };
    root.replaceChildren(
      el(
        'main',
        { class: 'welcome' },
        el('a', { class: 'brand', href: '/' }, el('img', { src: '/favicon.svg', alt: '', width: '34', height: '34' }), 'Parley'),
        el(
          'form',
          { class: 'panel', submit: (event) => void submit(event) },
          el('h1', {}, lead),
          el('p', {}, 'This is a demo: pick any name. Messages are kept for a day, and only people with the link can read them.'),
          el('label', { for: 'name' }, 'Your name'),
          field,
          button,
          error,
        ),
      ),
    );
    field.focus();
  });
}

/** A page with one thing to say. */
export function notice(root: HTMLElement, title: string, text: string): void {
  root.replaceChildren(
    el(
      'main',
      { class: 'welcome' },
      el('a', { class: 'brand', href: '/' }, el('img', { src: '/favicon.svg', alt: '', width: '34', height: '34' }), 'Parley'),
      el('section', { class: 'panel' }, el('h1', {}, title), el('p', {}, text), el('a', { class: 'button', href: '/' }, 'To the start page')),
    ),
  );
}
