/** A GnuPG of its own for a test: keys in a temporary folder, an agent that ends with it. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** What a program has written and how it ended. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: Buffer;
  /** Of gpg, with its status lines. */
  readonly talk: string;
}

/** A GnuPG home. */
export interface GpgHome {
  /** A folder for files of the test. */
  readonly dir: string;
  /** Runs gpg without asking anyone; keys are locked with no passphrase unless `--passphrase` says otherwise. */
  gpg(args: readonly string[], input?: string | Uint8Array): Ended;
  /** Runs gpg, which must end well, and gives what it wrote. */
  mustGpg(args: readonly string[], input?: string | Uint8Array): Buffer;
  /** Makes a key and gives the fingerprint of its primary key. */
  makeKey(name: string, algorithm: string, usage?: string, expires?: string): string;
  /** Checks a detached signature with gpgv. */
  gpgv(keyring: string, signature: string, file: string): Ended;
  /** Ends the agent and removes the folder. */
  remove(): void;
}

/** Makes a home. The agent's socket lies in it, and socket paths must be short: so it is right below /tmp. */
export function gpgHome(): GpgHome {
  const home = mkdtempSync('/tmp/bdg-');
  const env = { ...process.env, GNUPGHOME: home, LC_ALL: 'C' };
  const run = (program: string, args: readonly string[], input?: string | Uint8Array): Ended =>
    ended(spawnSync(program, args, { env, input, maxBuffer: 64 * 1024 * 1024 }));
  const gpg = (args: readonly string[], input?: string | Uint8Array) => {
    const quiet = ['--batch', '--no-tty', '--status-fd', '2', '--pinentry-mode', 'loopback'];
    const passphrase = args.includes('--passphrase') ? [] : ['--passphrase', ''];
    return run('gpg', [...quiet, ...passphrase, ...args], input);
  };
  const mustGpg = (args: readonly string[], input?: string | Uint8Array) => {
    const { status, stdout, talk } = gpg(args, input);
    if (status !== 0) throw new Error(`gpg ${args.join(' ')} ended with ${status}: ${talk}`);
    return stdout;
  };
  return {
    dir: home,
    gpg,
    mustGpg,
    makeKey(name, algorithm, usage = 'default', expires = 'never') {
      const { status, talk } = gpg([
        '--quick-gen-key',
        `${name} <${name}@example.com>`,
        algorithm,
        usage,
        expires,
      ]);
      const [, fingerprint] = /KEY_CREATED [PB] ([0-9A-F]{40})/.exec(talk) ?? [];
      if (status !== 0 || fingerprint === undefined) throw new Error(`gpg made no key: ${talk}`);
      return fingerprint;
    },
    gpgv: (keyring, signature, file) =>
      run('gpgv', ['--status-fd', '2', '--keyring', keyring, signature, file]),
    remove() {
      run('gpgconf', ['--kill', 'all']);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

function ended({ status, stdout, stderr }: SpawnSyncReturns<Buffer>): Ended {
  return { status, stdout, talk: stderr.toString() };
}

/** A path in the folder of a home. */
export function inHome(home: GpgHome, name: string): string {
  return join(home.dir, name);
}
