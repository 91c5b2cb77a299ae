import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { userToken, world } from '../support/world.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');

/** The examples of the README, as one module that knows this test's server. */
function examples(): string {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code);
  expect(blocks.length).toBeGreaterThan(4);
  const program = blocks
    .join('\n')
    .replaceAll('https://parley.example', world.url)
    .replaceAll('pk_live_…', world.publishableKey)
    .replaceAll('sk_live_…', world.secretKey);
  const before = `const signIn = async (): Promise<string> => ${JSON.stringify(userToken('ada'))};\n`;
  const after = `await client.realtime.disconnect();\n`;
  return before + program + after;
}

test('the examples of the README have right types, and do what they say', async () => {
  const folder = mkdtempSync(join(root, 'test', '.examples-')); // inside, so that the package finds itself
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'readme.ts'), examples());
  const config = { extends: '../../tsconfig.json', include: ['readme.ts'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder]);
  const { stdout, stderr } = await run(process.execPath, [join(folder, 'readme.ts')], { timeout: 50_000 });
  expect(stderr.split('\n').filter((line) => !/^$|No grant|allows this channel/.test(line))).toEqual([]);
  expect(stdout).toContain('ada, again: false');
  expect(stdout).toMatch(/Z ada Hello\n/);
  expect(stdout).toContain('unauthorized_channel 401');
});
