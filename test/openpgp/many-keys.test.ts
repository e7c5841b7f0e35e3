import { expect, test } from '@jest/globals';
import { readKey } from 'openpgp';
import { generateKey } from '../../server/openpgp/create-key.js';
import { certificationsAreFull } from '../../server/openpgp/rkt-rules.js';
import { parseUserId } from '../../server/openpgp/user-id.js';

/** One of 256 would have one if nobody looked. `KEYS` is for a long run by hand. */
const KEYS = Number(process.env.KEYS ?? 10);

test(`of ${KEYS} keys none has a short integer in its self-signature`, async () => {
  const make = () => generateKey({ userId: parseUserId('Rack 7', 'ops@example.com') }, new Date());
  // Two at a time: the work is done by threads of the runtime, and more at once would only wait for each other.
  for (let round = 0; round < KEYS / 2; round += 1) {
    for (const { certificate } of await Promise.all([make(), make()])) {
      expect(certificationsAreFull(await readKey({ armoredKey: certificate.armored }))).toBe(true);
    }
  }
}, 900_000);
