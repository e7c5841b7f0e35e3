import { expect, test } from '@jest/globals';
import { type Asker, createDeferrals } from '../../server/http/deferrals.js';

/** Asks about a signature that is settled after so many looks; it is known to be pending before the first. */
function asker({
  settledAfter = Number.POSITIVE_INFINITY,
  question = 'rack-7 app.aci.asc',
  isOpen = true,
} = {}) {
  let looks = 0;
  const look: Asker['look'] = () => {
    looks += 1;
    return looks > settledAfter ? 'settled' : 'pending';
  };
  return { question, look, isOpen: () => isOpen, looks: () => looks };
}

const SHORT = { mostMs: 20, lookEveryMs: 1 };

test('the first question is put off at once, the second waits for the signature', async () => {
  const answer = createDeferrals({ lookEveryMs: 1 });
  const first = asker();
  expect(await answer(first)).toBe('pending');
  expect(first.looks()).toBe(0);
  const second = asker({ settledAfter: 5 });
  expect(await answer(second)).toBe('settled');
  expect(second.looks()).toBe(6);
});

test('somebody else, and the same client for another signature, is put off at once', async () => {
  const answer = createDeferrals({ lookEveryMs: 1 });
  for (const question of ['rack-7 app.aci.asc', 'rack-8 app.aci.asc', 'rack-7 other.aci.asc']) {
    const one = asker({ question });
    expect([await answer(one), one.looks()]).toEqual(['pending', 0]);
  }
});

test('the wait ends, and with it the memory of the client', async () => {
  const answer = createDeferrals(SHORT);
  expect(await answer(asker())).toBe('pending');
  const patient = asker();
  expect(await answer(patient)).toBe('pending');
  expect(patient.looks()).toBeGreaterThan(1);
  const third = asker();
  expect([await answer(third), third.looks()]).toEqual(['pending', 0]);
});

test('nobody is waited for who has left', async () => {
  const answer = createDeferrals();
  await answer(asker());
  const gone = asker({ isOpen: false });
  expect([await answer(gone), gone.looks()]).toEqual(['pending', 1]);
});

test('of very many questions the oldest are forgotten', async () => {
  const answer = createDeferrals(SHORT);
  for (let number = 0; number <= 10_000; number += 1) await answer(asker({ question: String(number) }));
  const [oldest, next] = [asker({ question: '0' }), asker({ question: '2', settledAfter: 0 })];
  expect([await answer(oldest), oldest.looks()]).toEqual(['pending', 0]);
  expect(await answer(next)).toBe('settled');
});
