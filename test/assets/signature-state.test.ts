import { expect, test } from '@jest/globals';
import { signatureStateOf } from '../../server/assets/signature-state.js';

/** The state of a file that was modified at 100, beside files with the given times. */
function stateOf(name: string, beside: Record<string, number>): string | null {
  return signatureStateOf(name, 100, (other) => beside[other]);
}

test.each([
  ['an ACI with a later signature', 'a.aci', { 'a.aci.asc': 101 }, 'signed'],
  ['an ACI with a signature of the same time', 'a.aci', { 'a.aci.asc': 100 }, 'signed'],
  ['an ACI with an earlier signature', 'a.aci', { 'a.aci.asc': 99 }, 'stale'],
  ['an ACI without a signature', 'a.aci', {}, 'unsigned'],
  ['an ACI with another file’s signature', 'a.aci', { 'b.aci.asc': 101 }, 'unsigned'],
  ['a kernel with a signature', 'vmlinuz', { 'vmlinuz.sig': 101 }, 'signed'],
  ['a kernel without one', 'vmlinuz', {}, null],
  ['a file with a good and a stale signature', 'f', { 'f.asc': 101, 'f.sig': 99 }, 'stale'],
  ['a checksum list with a signature', 'SHA256SUMS', { 'SHA256SUMS.gpg': 101 }, 'signed'],
  ['a keyring beside a file of its name', 'depot', { 'depot.gpg': 101 }, null],
  ['a signature', 'a.aci.asc', {}, null],
])('%s', (_, name, beside, state) => {
  expect(stateOf(name, beside)).toBe(state);
});
