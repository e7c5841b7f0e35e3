/**
 * The README's tour, run: every command of its console blocks, in order, in a folder of their own, and every line
 * of output compared. Fingerprints and dates differ from day to day and are masked.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { type RunningDepot, startDepot } from '../fixtures/running-depot.js';
import { describeWith } from './programs.js';

interface Step {
  readonly command: string;
  readonly output: readonly string[];
}

/** The commands of all console blocks, each with the lines that follow it. */
function stepsOf(markdown: string): Step[] {
  return [...markdown.matchAll(/```console\n([\s\S]*?)```/g)].flatMap(([, block = '']) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((text) => {
        const [command = '', ...output] = text.trimEnd().split('\n');
        return { command, output };
      }),
  );
}

function masked(lines: readonly string[]): string[] {
  return lines.map((line) =>
    line
      .replace(/[0-9A-F]{40}|([0-9A-F]{4} {1,2}){9}[0-9A-F]{4}/g, 'FINGERPRINT')
      .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/g, 'DATE')
      .replace(/Signature made .*/, 'Signature made DATE'),
  );
}

describeWith(['bash', 'curl', 'gpgv', 'tar'], 'the tour of the README', () => {
  const copy = mkdtempSync(join(tmpdir(), 'bootdepot-tour-'));
  let depot: RunningDepot | undefined;

  afterAll(async () => {
    await depot?.stop();
    rmSync(copy, { recursive: true, force: true });
  });

  test('does what it shows', async () => {
    for (const name of ['assets', 'keys', 'bin']) mkdirSync(join(copy, name));
    const program = `#!/bin/sh\nexec "${process.execPath}" "${resolve('dist/scripts/bootdepot.js')}" "$@"\n`;
    writeFileSync(join(copy, 'bin/bootdepot'), program, { mode: 0o755 });
    const steps = stepsOf(readFileSync('README.md', 'utf8'));
    expect(steps.length).toBeGreaterThan(10);
    for (const { command, output } of steps) {
      if (command === 'npm start &') {
        depot = await startDepot(['--assets', join(copy, 'assets'), '--keys', join(copy, 'keys')]);
        continue;
      }
      // Signatures know whole seconds, and a person does not change a file in the second it was signed in.
      if (command.startsWith('printf')) await new Promise((wake) => setTimeout(wake, 1_100));
      const local = command.replaceAll('http://127.0.0.1:8080', depot?.url ?? 'http://127.0.0.1:8080');
      const result = spawnSync('bash', ['-c', `exec 2>&1; ${local}`], {
        cwd: copy,
        encoding: 'utf8',
        env: { ...process.env, PATH: `${join(copy, 'bin')}:${process.env.PATH}` },
      });
      expect({ command, lines: masked(result.stdout.split('\n').slice(0, -1)) }).toEqual({
        command,
        lines: masked(output),
      });
    }
  }, 60_000);
});
