/** How keys are shown to people, and to scripts. */
import type { Certificate } from '../server/index.js';

/** A certificate as `--json` shows it. Times are ISO 8601. */
export function certificateFacts(certificate: Certificate) {
  const { fingerprint, userIds, created, expires, algorithm, revoked } = certificate;
  return {
    fingerprint,
    userIds,
    created: created.toISOString(),
    expires: expires?.toISOString() ?? null,
    algorithm,
    revoked,
  };
}

/** A certificate as a few lines, the fingerprint in groups that can be read out and compared. */
export function describeCertificate(certificate: Certificate): string {
  const { fingerprint, userIds, created, expires, algorithm, revoked } = certificate;
  return [
    `fingerprint  ${groups(fingerprint)}`,
    ...userIds.map((userId) => `user id      ${printable(userId)}`),
    `algorithm    ${algorithm}`,
    `created      ${day(created)}`,
    `expires      ${expires === undefined ? 'never' : day(expires)}`,
    ...(revoked ? ['revoked      yes'] : []),
  ].join('\n');
}

/** `0123 4567 …`, with a wider gap in the middle, as gpg writes it. */
export function groups(fingerprint: string): string {
  const fours = fingerprint.match(/.{1,4}/g) ?? [];
  return [fours.slice(0, 5).join(' '), fours.slice(5).join(' ')].join('  ');
}

/** What is safe on a terminal: user ids come from strangers and may hold control characters. */
function printable(text: string): string {
  return text.replace(/\p{C}/gu, '?');
}

function day(date: Date): string {
  return date.toISOString().replace('T', ' ').replace('.000Z', ' UTC');
}
