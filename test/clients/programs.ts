/** Real programs as test peers: where one is missing its tests say so, and in CI that is a failure. */
import { spawnSync } from 'node:child_process';
import { describe, test } from '@jest/globals';

/** Whether a program is on the PATH. */
export function hasProgram(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v "${name}"`]).status === 0;
}

/** Something a test needs that is not a program. */
export interface Requirement {
  readonly name: string;
  readonly present: boolean;
}

/**
 * A `describe` that needs real programs. Where one is missing the block becomes a single test that fails in CI
 * (`CI=true`) and elsewhere passes after saying what was left out.
 */
export function describeWith(needs: readonly (string | Requirement)[], name: string, body: () => void): void {
  const required = needs.map((need) =>
    typeof need === 'string' ? { name: need, present: hasProgram(need) } : need,
  );
  const missing = required.filter((need) => !need.present).map((need) => need.name);
  if (missing.length === 0) {
    describe(name, body);
    return;
  }
  test(`${name} (needs ${missing.join(', ')})`, () => {
    const text = `not run, missing here: ${missing.join(', ')}`;
    if (process.env.CI === 'true') throw new Error(text);
    process.stderr.write(`${name}: ${text}\n`);
  });
}
