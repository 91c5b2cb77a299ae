/** Writes the licences of everything that is bundled into the pages into `notices.html`. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'vite';

interface Manifest {
  name: string;
  version: string;
  license?: string;
  homepage?: string;
  repository?: string | { url: string };
  dependencies?: Record<string, string>;
}

/** Published without licence field or file; the licence is that of the named public repository. */
const BY_REPOSITORY: Record<string, string> = {
  '@cloudflare/realtimekit': 'Apache-2.0',
  '@cloudflare/realtimekit-ui': 'Apache-2.0 by its repository (the package carries no licence file)',
};

const LICENCE_FILE = /^(licen[cs]e|copying|notice)(\.|-|$)/i;

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

function manifestAt(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** Folder of a dependency as Node resolves it: nearest `node_modules` first. */
function locate(root: string, from: string, name: string): string | undefined {
  for (let folder = from; folder.startsWith(root); folder = join(folder, '..')) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
  }
  return undefined;
}

/** Folders of all run-time dependencies, direct and indirect. */
function shipped(root: string): string[] {
  const seen = new Set<string>();
  const walk = (folder: string): void => {
    for (const name of Object.keys(manifestAt(folder).dependencies ?? {})) {
      const found = locate(root, folder, name);
      if (!found) throw new Error(`${name} is not installed: run npm ci`);
      if (seen.has(found)) continue;
      seen.add(found);
      walk(found);
    }
  };
  walk(root);
  return [...seen].sort();
}

function section(folder: string): string {
  const manifest = manifestAt(folder);
  const files = readdirSync(folder).filter((file) => LICENCE_FILE.test(file));
  const texts = files.map((file) => readFileSync(join(folder, file), 'utf8').trim());
  const embedded = join(folder, 'dist', 'dependencies.txt'); // what the package itself has bundled
  if (existsSync(embedded)) texts.push(`Contained in this package:\n\n${readFileSync(embedded, 'utf8').trim()}`);
  const licence = manifest.license ?? BY_REPOSITORY[manifest.name] ?? 'see its repository';
  const source = typeof manifest.repository === 'string' ? manifest.repository : manifest.repository?.url;
  const link = (manifest.homepage ?? source ?? '').replace(/^git\+/, '');
  const body = texts.map((text) => `<pre>${escape(text)}</pre>`).join('') || '<p>No licence text in the package.</p>';
  return (
    `<details><summary><b>${escape(manifest.name)}</b> ${escape(manifest.version)} ` +
    `<span>${escape(licence)}</span></summary><p class="source">${escape(link)}</p>${body}</details>`
  );
}

/** Fills the `<!--notices-->` mark of `notices.html`. */
export function notices(root: string): Plugin {
  return {
    name: 'parley-notices',
    transformIndexHtml(html) {
      if (!html.includes('<!--notices-->')) return html;
      return html.replace('<!--notices-->', () => shipped(root).map(section).join('\n'));
    },
  };
}
