import { type Deferred, deferred } from '../deferred.ts';
import { fromProblem, ParleyError } from '../errors.ts';
import type { AckFrame, ErrorFrame } from './frames.ts';

const ANSWER_MS = 10_000;

interface Pending {
  answer: Deferred<unknown>;
  channel: string | undefined;
  timer: ReturnType<typeof setTimeout> | undefined;
  taken: ((result: never) => void) | undefined;
}

/** How to ask. */
export interface Asking<T> {
  /** Wait as long as the connection stands, not only 10 s. */
  isPatient?: boolean;
  /** Called with the result before the next frame is looked at; promises are too late for that. */
  taken?: (result: T) => void;
}

/** Questions on a connection that have not been answered. */
export class Requests {
  readonly #pending = new Map<number, Pending>();
  #last = 0;

  /** A number for a question, and the promise of its answer. */
  begin<T>(channel: string | undefined, { isPatient, taken }: Asking<T>): { id: number; answer: Promise<T> } {
    this.#last += 1;
    const id = this.#last;
    const answer = deferred<unknown>();
    const late = () => {
      this.#pending.delete(id);
      answer.reject(new ParleyError('timeout', 'The server did not answer in time.', { channel }));
    };
    const timer = isPatient ? undefined : setTimeout(late, ANSWER_MS);
    this.#pending.set(id, { answer, channel, timer, taken });
    return { id, answer: answer.promise as Promise<T> };
  }

  /** Take an answer; false when nobody asked. */
  settle(frame: AckFrame | ErrorFrame): boolean {
    const pending = frame.id === undefined ? undefined : this.#pending.get(frame.id);
    if (pending === undefined) return false;
    this.#pending.delete(frame.id as number);
    clearTimeout(pending.timer);
    if (frame.type === 'ack') {
      pending.taken?.(frame.result as never);
      pending.answer.resolve(frame.result);
    } else pending.answer.reject(errorOf(frame, pending.channel));
    return true;
  }

  /** Nothing will be answered any more. */
  fail(): void {
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    for (const { answer, channel, timer } of lost) {
      clearTimeout(timer);
      const message = 'The connection was lost before the answer came.';
      answer.reject(new ParleyError('connection_lost', message, { channel }));
    }
  }
}

/** An error frame as an error. */
export function errorOf(frame: ErrorFrame, channel?: string): ParleyError {
  return fromProblem(frame.error, { channel: frame.channel ?? channel, retryAfter: frame.retry_after });
}
