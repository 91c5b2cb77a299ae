/** Line icons of the pages, 24 x 24. */

const PATHS = {
  hash: 'M9 4L7 20M17 4l-2 16M4 9h16.5M3.5 15H20',
  send: 'M4 12l16-8-6 16-3-6.5zM11 13.5L20 4',
  people: 'M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.4-3.6 3-5.5 6.5-5.5s6.1 1.9 6.5 5.5M16 4.8a3.5 3.5 0 0 1 0 6.4M18 14.9c2 .8 3.2 2.5 3.5 5.1',
  call: 'M3 6.5h12v11H3zM15 11l6-3.5v9L15 13',
  menu: 'M4 7h16M4 12h16M4 17h16',
  close: 'M6 6l12 12M18 6L6 18',
  down: 'M12 5v14M6 13l6 6 6-6',
  check: 'M4 12.5l5 5L20 6.5',
  checks: 'M2 12.5l4.5 4.5L15 7.5M11 15.5l1.5 1.5L22 7.5',
  clock: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7.5V12l3 2',
  warning: 'M12 4l9 16H3zM12 10v4.5M12 17.2v.1',
  link: 'M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7L12 7M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7L12 17',
  mic: 'M12 14.5a3 3 0 0 0 3-3v-5a3 3 0 0 0-6 0v5a3 3 0 0 0 3 3zM6 11.5a6 6 0 0 0 12 0M12 17.5V21',
  micOff: 'M9 9.5v2a3 3 0 0 0 4.5 2.6M15 11.5v-5a3 3 0 0 0-5.8-1M6 11.5a6 6 0 0 0 9.5 4.9M18 11.5c0 1-.2 1.9-.6 2.7M12 17.5V21M4 4l16 16',
  camera: 'M3 6.5h12v11H3zM15 11l6-3.5v9L15 13',
  cameraOff: 'M9.5 6.5H15v5.5M15 15.5v2H3v-11h2M15 11l6-3.5v9l-3-1.8M4 4l16 16',
  screen: 'M3 5h18v12H3zM8 21h8M12 17v4M12 8v6M9.5 10.5L12 8l2.5 2.5',
  leave: 'M3 14.5c-1-4.5 4.5-7 9-7s10 2.5 9 7l-4.5.5-1-3.2a12 12 0 0 0-7 0l-1 3.2z',
  play: 'M7.5 4.5v15l12-7.5z',
  pause: 'M8.5 5v14M15.5 5v14',
  sound: 'M4 9.5v5h3.5l4.5 4v-13l-4.5 4zM15.5 9a4.2 4.2 0 0 1 0 6M18.2 6.3a8 8 0 0 1 0 11.4',
  soundOff: 'M4 9.5v5h3.5l4.5 4v-13l-4.5 4zM16 9.7l4.6 4.6M20.6 9.7L16 14.3',
  full: 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5',
  small: 'M9 4v5H4M20 9h-5V4M15 20v-5h5M4 15h5v5',
  eye: 'M2.5 12S6 5.8 12 5.8 21.5 12 21.5 12 18 18.2 12 18.2 2.5 12 2.5 12zM12 14.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6z',
  onAir: 'M12 13.2a1.2 1.2 0 1 0 0-2.4 1.2 1.2 0 0 0 0 2.4zM8.5 15.5a5 5 0 0 1 0-7M15.5 8.5a5 5 0 0 1 0 7M5.6 18.4a9 9 0 0 1 0-12.8M18.4 5.6a9 9 0 0 1 0 12.8',
} as const;

export type IconName = keyof typeof PATHS;

/** Create one icon; it inherits size and colour from its surroundings. */
export function icon(name: IconName): SVGSVGElement {
  const namespace = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(namespace, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(namespace, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}
