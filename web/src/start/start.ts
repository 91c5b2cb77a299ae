/** Start page: creates a demo meeting and shows its join links; leads to the demo chat. */
import './start.css';
import { readContext } from '../common/context';
import { byId, el } from '../common/dom';

interface Link {
  role: string;
  preset: string;
  url: string;
  qr_svg: string;
}
interface Created {
  meeting: { id: string; title: string };
  links: Link[];
}

const context = readContext();

byId('version').textContent = context.version;
byId<HTMLAnchorElement>('docs').href = context.api_reference;
byId('create').hidden = !context.demo;
byId('chat').hidden = !context.demo;
byId('off').hidden = context.demo;

byId('form').addEventListener('submit', (event) => {
  event.preventDefault();
  void start(new FormData(event.target as HTMLFormElement));
});

async function start(form: FormData): Promise<void> {
  const button = byId<HTMLButtonElement>('start');
  const error = byId('error');
  button.disabled = true;
  error.hidden = true;
  try {
    show(await create(String(form.get('kind')), String(form.get('title')).trim()));
  } catch (reason) {
    error.textContent = reason instanceof Error ? reason.message : String(reason);
    error.hidden = false;
  } finally {
    button.disabled = false;
  }
}

async function create(kind: string, title: string): Promise<Created> {
  const response = await fetch('/start/meetings', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(title ? { kind, title } : { kind }),
    signal: AbortSignal.timeout(15_000),
  }).catch(() => {
    throw new Error('The server does not answer. Is it still running?');
  });
  const body = (await response.json().catch(() => null)) as (Created & { error?: { message: string } }) | null;
  if (response.ok && body) return body;
  throw new Error(body?.error?.message ?? `The meeting could not be created (status ${response.status}).`);
}

function show({ meeting, links }: Created): void {
  const result = byId('result');
  result.replaceChildren(
    el('h2', {}, `“${meeting.title}” is ready`),
    el('p', { class: 'lead' }, 'Open one link here and another in a second window, or send it to somebody.'),
    el('div', { class: 'links' }, ...links.map(card)),
    isLocal() &&
      el(
        'p',
        { class: 'hint' },
        'These links work on this computer only. To invite others, serve Parley under a host name with https: ',
        'browsers give camera and microphone to secure pages only.',
      ) || '',
  );
  result.hidden = false;
  result.scrollIntoView({ behavior: 'smooth', block: 'nearest' });
}

function card({ role, preset, url, qr_svg }: Link): HTMLElement {
  const copied = el('span', {}, 'Copy link');
  const copy = async (): Promise<void> => {
    copied.textContent = (await toClipboard(url)) ? 'Copied' : 'Copy failed';
    setTimeout(() => (copied.textContent = 'Copy link'), 2000);
  };
  // As an image, never as markup: nothing in it can run.
  const picture = `data:image/svg+xml,${encodeURIComponent(qr_svg)}`;
  return el(
    'article',
    { class: 'card link', 'data-preset': preset },
    el(
      'div',
      {},
      el('h3', {}, role),
      el('code', { title: url }, url),
      el(
        'div',
        { class: 'actions' },
        el('a', { class: 'button primary', href: url, target: '_blank', rel: 'noopener' }, `Open as ${role.toLowerCase()}`),
        el('button', { class: 'button', type: 'button', click: () => void copy() }, copied),
      ),
    ),
    el(
      'button',
      { class: 'qr', type: 'button', title: 'Enlarge', click: () => enlarge(role, picture) },
      el('img', { src: picture, alt: `QR code of the ${role.toLowerCase()} link`, width: '108', height: '108' }),
    ),
  );
}

/** Show a QR code large enough for a phone's camera: a token makes it dense. */
function enlarge(role: string, picture: string): void {
  const dialog: HTMLDialogElement = el(
    'dialog',
    { close: () => dialog.remove() },
    el('h2', {}, `Join as ${role.toLowerCase()}`),
    el('img', { src: picture, alt: '', width: '440', height: '440' }),
    el('button', { class: 'button', type: 'button', click: () => dialog.close() }, 'Close'),
  );
  document.body.append(dialog);
  dialog.showModal();
}

/** Copy text; on pages without the clipboard interface (plain http) through a selected field. */
async function toClipboard(text: string): Promise<boolean> {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // refused: try the old way
    }
  }
  const field = el('textarea', { readonly: '' });
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand('copy');
  field.remove();
  return done;
}

function isLocal(): boolean {
  const { hostname } = new URL(context.public_url, location.href);
  return hostname === 'localhost' || hostname.endsWith('.localhost') || hostname.startsWith('127.') || hostname === '[::1]';
}
