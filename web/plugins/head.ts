/** What every page has in its head: `<!--head-->` stands for it. */
import type { Plugin } from 'vite';

const HEAD = [
  '<meta charset="utf-8" />',
  '<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover" />',
  '<meta name="parley" content="" />', // the server's facts, filled in when it starts
  '<link rel="icon" href="/favicon.svg" type="image/svg+xml" />',
].join('\n    ');

export function head(): Plugin {
  return {
    name: 'parley-head',
    transformIndexHtml: { order: 'pre', handler: (html) => html.replace('<!--head-->', HEAD) },
  };
}
