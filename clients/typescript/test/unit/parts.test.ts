import { describe, expect, test, vi } from 'vitest';
import { Bus } from '../../src/emitter.ts';
import { backoff } from '../../src/realtime/backoff.ts';
import { adviceFor } from '../../src/realtime/closing.ts';

test('waits double up to 30 s, and spread by a quarter', () => {
  const waits = [1, 2, 3, 4, 5, 6, 7].map((attempt) => backoff(attempt, 1_000, 0.5));
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  expect([backoff(1, 1_000, 0), backoff(1, 1_000, 1)]).toEqual([750, 1_250]);
});

test.each([
  [1000, false],
  [1001, true],
  [1006, true],
  [1009, true],
  [1012, true],
  [3000, true],
  [4400, false],
  [4401, true],
  [4403, false],
  [4408, true],
  [4409, false],
  [4429, true],
  [4500, true],
  [4503, true],
  [4999, false],
])('after code %i coming back is %s', (code, again) => {
  expect(adviceFor(code).again).toBe(again);
});

describe('an emitter', () => {
  test('tells each listener once, in order, until it is taken off', () => {
    const bus = new Bus<{ said: [what: string] }>();
    const heard: string[] = [];
    const stop = bus.on('said', (what) => heard.push(`a ${what}`));
    bus.once('said', (what) => heard.push(`b ${what}`));
    bus.emit('said', '1');
    stop();
    bus.on('said', (what) => heard.push(`c ${what}`));
    bus.emit('said', '2');
    bus.off('said');
    bus.emit('said', '3');
    expect(heard).toEqual(['a 1', 'b 1', 'c 2']);
  });

  test('whose listener throws tells the others, and the error is not swallowed', async () => {
    const bus = new Bus<{ said: [] }>();
    const uncaught = vi.fn();
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException').once('uncaughtException', uncaught);
    const second = vi.fn();
    bus.on('said', () => {
      throw new Error('mine');
    });
    bus.on('said', second);
    bus.emit('said');
    await expect.poll(() => uncaught.mock.calls.length).toBe(1);
    for (const other of others) process.on('uncaughtException', other);
    expect(second).toHaveBeenCalledOnce();
  });
});
