/** The two sides of systemd that a service meets: sockets it inherits, and datagrams it sends. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { inheritedSockets } from '../../server/http/socket-activation.js';
import { createNotify } from '../../server/http/systemd-notify.js';
import { freePort } from '../fixtures/running-depot.js';
import { describeWith } from './programs.js';

const COMMAND = resolve('dist/scripts/bootdepot.js');

/** Binds what systemd would, prints where, and becomes the command with the sockets at 3 and after. */
const ACTIVATE = `
import os, socket, sys
names = sys.argv[1]
sockets = []
for name in names.split(':'):
    s = socket.socket(socket.AF_INET6 if name == 'six' else socket.AF_INET)
    s.bind(('::1' if name == 'six' else '127.0.0.1', 0))
    s.listen(16)
    sockets.append(s)
print(' '.join(str(s.getsockname()[1]) for s in sockets), flush=True)
for s in sockets: os.set_inheritable(s.fileno(), True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=names)
assert [s.fileno() for s in sockets] == list(range(3, 3 + len(sockets)))
os.execvp(sys.argv[2], sys.argv[2:])
`;

/** Prints each datagram that comes to the socket named by its argument; '@' stands for the abstract namespace. */
const RECEIVE = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace('@', chr(0), 1))
print('bound', flush=True)
while True: print(repr(s.recv(4096).decode()), flush=True)
`;

import { until } from '../fixtures/until.js';

describeWith(['python3'], 'systemd', () => {
  let folder: string;
  const started: ChildProcess[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bootdepot-systemd-'));
  });
  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Starts Python and reads what it prints, line by line. */
  function python(script: string, ...args: string[]) {
    const child = spawn('python3', ['-c', script, ...args], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    started.push(child);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return { child, line: async () => String((await lines.next()).value) };
  }

  async function activated(names: string, ...flags: string[]) {
    const { child, line } = python(ACTIVATE, names, process.execPath, COMMAND, 'serve', ...flags);
    const ports = (await line()).split(' ');
    let talk = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      talk += text;
    });
    return {
      ports,
      talk: () => talk,
      async stop() {
        child.kill('SIGTERM');
        await once(child, 'exit');
        return child.exitCode;
      },
    };
  }

  test('sockets that systemd opened are served instead of the default listener, IPv6 too', async () => {
    const depot = await activated('http:six');
    const [http, six] = depot.ports;
    expect(await (await fetch(`http://127.0.0.1:${http}/healthz`)).text()).toBe('ok\n');
    expect(await (await fetch(`http://[::1]:${six}/healthz`)).text()).toBe('ok\n');
    const listens = `listens on http://127.0.0.1:${http}, http://[::1]:${six}\n`;
    await until(() => depot.talk().includes(listens));
    expect(depot.talk()).toContain(listens);
    expect(await depot.stop()).toBe(0);
  });

  test('a listener that was asked for is opened beside them', async () => {
    const depot = await activated('http', '--listen', '127.0.0.1:0');
    expect((await fetch(`http://127.0.0.1:${depot.ports[0]}/healthz`)).status).toBe(200);
    // It answers a moment before it says so.
    await until(() => depot.talk().includes(', http://127.0.0.1:'));
    const own = /, (http:\/\/127\.0\.0\.1:\d+)/.exec(depot.talk())?.[1];
    expect((await fetch(`${own}/healthz`)).status).toBe(200);
    expect(await depot.stop()).toBe(0);
  });

  test.each(['path', 'abstract'])(
    'readiness and stopping are told to a datagram socket (%s)',
    async (kind) => {
      const name = kind === 'path' ? join(folder, 'notify') : `@bootdepot-test-${process.pid}`;
      const { line } = python(RECEIVE, name);
      expect(await line()).toBe('bound');
      const notify = createNotify({ NOTIFY_SOCKET: name });
      await notify('READY=1\nSTATUS=listening');
      expect(await line()).toBe("'READY=1\\nSTATUS=listening'");
      await notify('STOPPING=1');
      expect(await line()).toBe("'STOPPING=1'");
    },
  );

  test('serve says READY when it answers and STOPPING when it is told to stop', async () => {
    const name = join(folder, 'notify-serve');
    const { line } = python(RECEIVE, name);
    await line();
    const child = spawn(process.execPath, [COMMAND, 'serve', '--listen', '127.0.0.1:0'], {
      cwd: folder,
      env: { ...process.env, NOTIFY_SOCKET: name },
      stdio: 'ignore',
    });
    const exited = once(child, 'exit');
    expect(await line()).toMatch(/^'READY=1\\nSTATUS=listening on http:\/\/127\.0\.0\.1:\d+'$/);
    child.kill('SIGTERM');
    expect(await line()).toBe("'STOPPING=1'");
    await exited;
    expect(child.exitCode).toBe(0);
  });
});

describeWith(['systemd-analyze', 'systemd-socket-activate'], 'the programs of systemd', () => {
  test('systemd-analyze has nothing to say about the units in docs/systemd', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bootdepot-units-'));
    try {
      for (const name of ['bootdepot.service', 'bootdepot.socket']) {
        const unit = await readFile(join('docs/systemd', name), 'utf8');
        await writeFile(join(folder, name), unit.replace('/usr/local/bin/bootdepot', process.execPath));
      }
      const units = ['bootdepot.service', 'bootdepot.socket'].map((name) => join(folder, name));
      const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...units], {
        encoding: 'utf8',
      });
      expect(stderr.split('\n').filter((line) => line.includes('bootdepot'))).toEqual([]);
      expect(status).toBe(0);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test('systemd-socket-activate starts it at the first connection, which is answered', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bootdepot-activate-'));
    const port = await freePort();
    const command = ['-l', `127.0.0.1:${port}`, '--fdname=http', process.execPath, COMMAND, 'serve'];
    const child = spawn('systemd-socket-activate', command, {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const exited = once(child, 'exit');
    try {
      await new Promise<void>((settle) => {
        child.stderr.setEncoding('utf8').on('data', (text: string) => {
          if (text.includes('Listening on')) settle();
        });
      });
      expect(await (await fetch(`http://127.0.0.1:${port}/healthz`)).text()).toBe('ok\n');
      child.kill('SIGTERM');
      await exited;
      expect(child.exitCode).toBe(0);
    } finally {
      child.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    }
  });
});

test('a manager that is not there, or cannot be reached, does no harm', async () => {
  await createNotify({})('READY=1');
  await createNotify({ NOTIFY_SOCKET: 'vsock:1:2' })('READY=1');
  await createNotify({ NOTIFY_SOCKET: '/no/such/socket' })('READY=1');
});

test.each([
  [{}, []],
  [{ LISTEN_PID: '1', LISTEN_FDS: '2' }, []],
  [{ LISTEN_PID: '7', LISTEN_FDS: '0' }, []],
  [{ LISTEN_PID: '7', LISTEN_FDS: '1' }, [{ fd: 3, name: '', tls: false }]],
  [
    { LISTEN_PID: '7', LISTEN_FDS: '3', LISTEN_FDNAMES: 'depot.socket:https:https-lab' },
    [
      { fd: 3, name: 'depot.socket', tls: false },
      { fd: 4, name: 'https', tls: true },
      { fd: 5, name: 'https-lab', tls: true },
    ],
  ],
])('%j passes %j to process 7', (env, sockets) => {
  expect(inheritedSockets(env, 7)).toEqual(sockets);
});

test('a count that is no count is refused', () => {
  expect(() => inheritedSockets({ LISTEN_PID: '7', LISTEN_FDS: 'x' }, 7)).toThrow(
    'LISTEN_FDS: expected a number',
  );
});
