/** `/meet/help`: checks what a meeting needs of this device and says what to do about each failure. */
import { el } from '../common/dom';
import { icon } from './icons';

interface Check {
  title: string;
  /** Resolves to an empty string when all is well, else to a sentence that says what to do. */
  run: () => Promise<string>;
}

const CHECKS: Check[] = [
  {
    title: 'The page is secure',
    run: async () =>
      window.isSecureContext ? '' : 'Open it through https, or through “localhost” on the computer that runs Parley.',
  },
  {
    title: 'The browser can hold calls',
    run: async () =>
      'RTCPeerConnection' in window ? '' : 'WebRTC is missing or switched off; use a current Chrome, Edge, Firefox or Safari.',
  },
  { title: 'A microphone is connected', run: () => device('audioinput', 'microphone') },
  { title: 'A camera is connected', run: () => device('videoinput', 'camera') },
  {
    title: 'The server answers',
    run: async () => {
      const response = await fetch('/meet/help', { cache: 'no-store', signal: AbortSignal.timeout(8_000) });
      return response.ok ? '' : `It answered with status ${response.status}; try again in a moment.`;
    },
  },
  {
    title: 'The network lets calls through',
    run: async () => {
      const found = await gatherCandidates();
      return found ? '' : 'The browser found no usable network address; a VPN, an extension or a policy may block WebRTC.';
    },
  },
];

async function device(kind: MediaDeviceKind, word: 'camera' | 'microphone'): Promise<string> {
  if (!navigator.mediaDevices) return `The browser hides the ${word} from pages that are not secure.`;
  const permission = await navigator.permissions.query({ name: word as PermissionName }).catch(() => null);
  if (permission?.state === 'denied') {
    return `This site may not use the ${word}: click the symbol left of the address, allow it, and reload.`;
  }
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.some((entry) => entry.kind === kind) ? '' : `No ${word} was found. You can still join without it.`;
}

/** Whether the browser offers at least one address for media, within 5 s. */
async function gatherCandidates(): Promise<boolean> {
  const connection = new RTCPeerConnection();
  try {
    connection.createDataChannel('check');
    const found = new Promise<boolean>((resolve) => {
      connection.onicecandidate = ({ candidate }) => resolve(candidate !== null);
      setTimeout(() => resolve(false), 5_000);
    });
    await connection.setLocalDescription(await connection.createOffer());
    return await found;
  } finally {
    connection.close();
  }
}

/** Show the page and run the checks, all at once. */
export async function showHelp(stage: HTMLElement): Promise<void> {
  document.title = 'Check this device · Parley';
  const rows = CHECKS.map((check) => ({ check, item: el('li', {}, el('b', {}, check.title), el('span', {}, 'Checking…')) }));
  stage.replaceChildren(
    el(
      'main',
      { class: 'state help', 'data-state': 'help' },
      el('h1', {}, 'Check this device'),
      el('p', {}, 'What a meeting needs, looked at from here.'),
      el('ul', { class: 'checks' }, ...rows.map(({ item }) => item)),
      el(
        'div',
        { class: 'actions' },
        el('button', { class: 'button primary', type: 'button', click: () => void showHelp(stage) }, 'Check again'),
        el('a', { class: 'button', href: '/' }, 'Back to start'),
      ),
    ),
  );
  await Promise.all(
    rows.map(async ({ check, item }) => {
      const problem = await check.run().catch((reason: unknown) => String(reason));
      item.className = problem ? 'bad' : 'good';
      item.replaceChildren(icon(problem ? 'cross' : 'check'), el('b', {}, check.title), el('span', {}, problem));
    }),
  );
}
