/**
 * Signatures that are being made, as rkt asks for them (rkt/image/httpfetcher.go): first the signature, where 202 means
 * "ask again after the image"; then the image; then the signature again, where another 202 is an error. A small image is
 * there long before its signature, so who asks again is kept waiting.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** `pending`: it is being made; `withheld`: the one that is there is of other bytes; `settled`: nothing of the kind. */
export type SigningState = 'pending' | 'withheld' | 'settled';

/** Somebody who asks for a signature. */
export interface Asker {
  /** Who asks for what: the same for the same client and signature. */
  readonly question: string;
  /** How it is about the signature at this moment. */
  look(): SigningState;
  /** Whether the client is still there. */
  isOpen(): boolean;
}

/** How long somebody waits. */
export interface Patience {
  /** Milliseconds; proxies often give up after a minute. */
  readonly mostMs?: number;
  /** Between two looks, milliseconds. */
  readonly lookEveryMs?: number;
}

/** So many questions are remembered; of more, the oldest are answered 202 once again. */
const MOST_QUESTIONS = 10_000;

/**
 * Remembers who was put off.
 *
 * @returns a function that tells what to answer: at once to a first question; to a second one when the signature is no
 *   longer pending, or after the longest wait
 */
export function createDeferrals({ mostMs = 15_000, lookEveryMs = 200 }: Patience = {}) {
  const putOff = new Set<string>();
  return async ({ question, look, isOpen }: Asker): Promise<SigningState> => {
    if (!putOff.delete(question)) {
      const [oldest] = putOff;
      if (oldest !== undefined && putOff.size >= MOST_QUESTIONS) putOff.delete(oldest);
      putOff.add(question);
      return 'pending';
    }
    const until = Date.now() + mostMs;
    let state = look();
    while (state === 'pending' && Date.now() < until && isOpen()) {
      await sleep(lookEveryMs);
      state = look();
    }
    return state;
  };
}
