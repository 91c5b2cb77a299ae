import { describe, expect, test } from 'vitest';
import { Sequence } from '../../src/realtime/sequence.ts';
import type { Place } from '../../src/realtime/types.ts';

const at = (offset: number, epoch: string = 'e'): Place => ({ epoch, offset });

function started(offset: number): Sequence<Place> {
  const sequence = new Sequence<Place>();
  sequence.reset(at(offset));
  return sequence;
}

/** Offsets that are told, and whether something is missing. */
function outcome({ ready, gap }: { ready: Place[]; gap: boolean }): [number[], boolean] {
  return [ready.map(({ offset }) => offset), gap];
}

test('what comes in order is told at once', () => {
  const sequence = started(4);
  expect(outcome(sequence.offer(at(5)))).toEqual([[5], false]);
  expect(sequence.place).toEqual(at(5));
});

test('what has been seen is dropped', () => {
  expect(outcome(started(4).offer(at(4)))).toEqual([[], false]);
});

test('what is behind a gap waits, and the gap is noticed', () => {
  const sequence = started(4);
  expect(outcome(sequence.offer(at(7)))).toEqual([[], true]);
  expect(outcome(sequence.offer(at(5)))).toEqual([[5], true]);
  expect(outcome(sequence.offer(at(6)))).toEqual([[6, 7], false]);
});

test('another epoch is a gap', () => {
  expect(outcome(started(4).offer(at(5, 'f')))).toEqual([[], true]);
});

test('without a place the first one is the beginning', () => {
  const sequence = new Sequence<Place>();
  expect(sequence.place).toBeUndefined();
  expect(outcome(sequence.offer(at(9)))).toEqual([[9], false]);
});

describe('what this client publishes without an echo', () => {
  test('is no gap, whether its answer comes before', () => {
    const sequence = started(4);
    sequence.publishing();
    expect(outcome(sequence.published(at(5)))).toEqual([[], false]);
    expect(outcome(sequence.offer(at(6)))).toEqual([[6], false]);
  });

  test('or after what follows', () => {
    const sequence = started(4);
    sequence.publishing();
    expect(outcome(sequence.offer(at(6)))).toEqual([[], false]);
    expect(outcome(sequence.published(at(5)))).toEqual([[6], false]);
  });

  test('does not hide a gap', () => {
    const sequence = started(4);
    sequence.publishing();
    expect(outcome(sequence.offer(at(7)))).toEqual([[], false]);
    expect(outcome(sequence.published(at(6)))).toEqual([[], true]);
  });

  test('leaves a gap when it was refused', () => {
    const sequence = started(4);
    sequence.publishing();
    sequence.offer(at(6));
    expect(outcome(sequence.published(undefined))).toEqual([[], true]);
  });
});
