/** Users of the registry: who is one, how a client comes to say so, and what guessing costs. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import { codesOf, RegistryClient } from '../../fixtures/registry-client.js';
import { basic, htpasswdOf, writeUsers } from '../../fixtures/users.js';
import { RawClient } from '../raw-client.js';

/** From another machine, as far as the depot can tell. */
const REMOTE = { 'X-Forwarded-For': '192.0.2.1' };
const BASIC = 'Basic realm="bootdepot"';

let folder: string;
let users: string;
let depot: LiveDepot;
let client: RegistryClient;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-users-'));
  users = join(folder, 'users.htpasswd');
  writeUsers(users, { anna: 'correct horse', bert: 'staple:colon' });
  depot = await startLiveDepot({ settings: { 'registry.write': 'users', 'registry.users': users } });
  client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
});
afterAll(async () => {
  await depot.remove();
  rmSync(folder, { recursive: true, force: true });
});

function post(headers: Record<string, string>) {
  return client.ask('POST', 'a/blobs/uploads/', undefined, headers);
}

describe('where users may write', () => {
  test('this machine needs no login, and others read without one', async () => {
    expect((await post({})).status).toBe(202);
    expect((await client.get('', {})).status).toBe(200);
    expect((await client.get('a/tags/list', REMOTE)).status).toBe(404);
  });

  test('others are asked to log in when they push', async () => {
    const answer = await post(REMOTE);
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, BASIC]);
    expect(await codesOf(answer)).toEqual(['UNAUTHORIZED']);
  });

  test('a user may push, also with a colon in the password', async () => {
    expect((await post({ ...REMOTE, ...basic('anna', 'correct horse') })).status).toBe(202);
    expect((await post({ ...REMOTE, ...basic('bert', 'staple:colon') })).status).toBe(202);
  });

  test('credentials are checked at the base, whoever asks', async () => {
    const [right, wrong] = await Promise.all([
      client.get('', basic('anna', 'correct horse')),
      client.get('', basic('anna', 'guess')),
    ]);
    expect([right.status, wrong.status]).toEqual([200, 401]);
    expect(wrong.headers.get('www-authenticate')).toBe(BASIC);
  });

  test('a user who is not known, a wrong password and what cannot be read are answered alike', async () => {
    const fields = [
      basic('anna', 'nope'),
      basic('nobody', 'nope'),
      { Authorization: 'Basic ????' },
      { Authorization: 'Digest x="y"' },
    ];
    const answers = await Promise.all(
      fields.map(async (headers) => {
        const answer = await client.get('a/tags/list', headers);
        const head = [...answer.headers].filter(([name]) => name !== 'date');
        return JSON.stringify([answer.status, head, await answer.text()]);
      }),
    );
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toContain('[401,');
  });

  test('a push that may not be is refused before its body is asked for', async () => {
    const raw = await RawClient.open(depot.port);
    raw.send(
      'POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: depot\r\nX-Real-IP: 192.0.2.1\r\n' +
        'Expect: 100-continue\r\nContent-Length: 5\r\n\r\n',
    );
    expect((await raw.answer()).status).toBe(401);
    raw.socket.destroy();
  });

  test('nothing of a login is in the log', async () => {
    await client.get('', basic('anna', 'hunter2'));
    const log = JSON.stringify(depot.log());
    expect(log).toContain('a login failed');
    for (const secret of ['hunter2', 'correct horse', basic('anna', 'hunter2').Authorization ?? '']) {
      expect(log).not.toContain(secret);
    }
  });
});

describe('a client that asks first', () => {
  async function tokenFor(headers: Record<string, string>) {
    const ping = await client.get('', REMOTE);
    expect([ping.status, await codesOf(ping)]).toEqual([401, ['UNAUTHORIZED']]);
    const challenge = ping.headers.get('www-authenticate') ?? '';
    const realm = /^Bearer realm="([^"]+)",service="bootdepot"$/.exec(challenge)?.[1] ?? '';
    expect(realm).toBe(`http://127.0.0.1:${depot.port}/v2/token`);
    return fetch(`${realm}?service=bootdepot&scope=repository:a:pull,push`, { headers });
  }

  test('gets a token for its user, with which it pushes', async () => {
    const answer = await tokenFor(basic('anna', 'correct horse'));
    const { token, access_token, expires_in } = JSON.parse(await answer.text());
    expect([answer.status, access_token, expires_in]).toEqual([200, token, 300]);
    const field = { Authorization: `Bearer ${token}` };
    expect((await client.get('', { ...REMOTE, ...field })).status).toBe(200);
    expect((await post({ ...REMOTE, ...field })).status).toBe(202);
  });

  test('gets a token without a name, with which it reads and does not push', async () => {
    const { token } = JSON.parse(await (await tokenFor({})).text());
    const field = { ...REMOTE, Authorization: `Bearer ${token}` };
    expect((await client.get('', field)).status).toBe(200);
    expect((await client.get('a/tags/list', field)).status).toBe(404);
    const answer = await post(field);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toContain('scope="repository:a:pull,push"');
  });

  test('gets no token for a wrong password, and none that was changed is taken', async () => {
    const { token } = JSON.parse(await (await tokenFor({})).text());
    const [until, , seal] = token.split('.');
    const forged = [until, Buffer.from('anna').toString('base64url'), seal].join('.');
    const answers = await Promise.all([
      tokenFor(basic('anna', 'guess')),
      post({ ...REMOTE, Authorization: `Bearer ${forged}` }),
      post({ ...REMOTE, Authorization: 'Bearer x' }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401]);
  });

  test('with an empty name is nobody, as it is without one', async () => {
    expect((await client.get('a/tags/list', { ...REMOTE, ...basic('', '') })).status).toBe(404);
  });
});

test('the file is read again when it changes, and a login ends with its user', async () => {
  const carla = basic('carla', 'first');
  const before = readFileSync(users, 'utf8');
  expect((await post({ ...REMOTE, ...carla })).status).toBe(401);
  writeFileSync(users, before + htpasswdOf({ carla: 'first' }));
  expect((await post({ ...REMOTE, ...carla })).status).toBe(202);
  const answer = await client.ask('GET', 'token', undefined, carla);
  const token = { Authorization: `Bearer ${JSON.parse(await answer.text()).token}` };
  expect((await post({ ...REMOTE, ...token })).status).toBe(202);
  writeFileSync(users, `${before}dora:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n`);
  const [login, again] = await Promise.all([post({ ...REMOTE, ...carla }), post({ ...REMOTE, ...token })]);
  expect([login.status, again.status]).toEqual([401, 401]);
  expect(JSON.stringify(depot.log())).toMatch(/dora.*SHA-1/);
  rmSync(users);
  expect((await post({ ...REMOTE, ...basic('anna', 'correct horse') })).status).toBe(401);
  writeFileSync(users, before);
  expect((await post({ ...REMOTE, ...basic('anna', 'correct horse') })).status).toBe(202);
});

test('too many logins at once are asked to come again, and who is in meanwhile stays in', async () => {
  const anna = basic('anna', 'correct horse');
  expect((await client.get('', anna)).status).toBe(200);
  const guesses = Array.from({ length: 30 }, (_, index) => client.get('', basic('anna', `guess ${index}`)));
  const known = await client.get('', anna);
  const answers = await Promise.all(guesses);
  const refused = answers.filter(({ status }) => status === 429);
  expect(answers.filter(({ status }) => status === 401).length).toBe(8);
  expect(refused.length).toBe(22);
  for (const answer of refused) {
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await codesOf(answer)).toEqual(['TOOMANYREQUESTS']);
  }
  expect(known.status).toBe(200);
});

test('behind a proxy a client is sent for its token to where the configuration says the depot is', async () => {
  const publicUrl = 'https://depot.example.com';
  const settings = { 'registry.write': 'users', 'registry.users': users, publicUrl };
  const proxied = await startLiveDepot({ settings });
  const answer = await new RegistryClient(`http://127.0.0.1:${proxied.port}`).get('', REMOTE);
  await proxied.remove();
  expect(answer.headers.get('www-authenticate')).toContain(`realm="${publicUrl}/v2/token"`);
});

test('one login that comes many times at once is checked once', async () => {
  writeFileSync(users, readFileSync(users, 'utf8') + htpasswdOf({ frida: 'many layers' }));
  const frida = { ...REMOTE, ...basic('frida', 'many layers') };
  const answers = await Promise.all(Array.from({ length: 40 }, () => post(frida)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
});

describe('a depot does not start', () => {
  test('without a file of users, and says how to make one', async () => {
    const missing = join(folder, 'missing.htpasswd');
    const settings = { 'registry.write': 'users', 'registry.users': missing };
    await expect(startLiveDepot({ settings })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`htpasswd -B -c ${missing} NAME`),
    });
  });

  test('with a password that is not kept as bcrypt, and says whose it is', async () => {
    const file = join(folder, 'weak.htpasswd');
    writeFileSync(file, 'erik:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n');
    const rules = [{ repositories: '**', push: ['erik'] }];
    const settings = { 'registry.rules': rules, 'registry.users': file };
    const error = await startLiveDepot({ settings }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/:1 \(erik\).*SHA-1/),
    });
  });
});

test('a depot says that passwords can be read on their way to a listener without TLS', async () => {
  // This machine, in a spelling that only the resolver knows: not everything that listens is to be tried here.
  const far = '2130706433:0';
  const settings = { 'registry.write': 'users', 'registry.users': users, listen: ['127.0.0.1:0', far] };
  const open = await startLiveDepot({ settings });
  const warnings = open.log().filter(({ level }) => level === 'warn');
  await open.remove();
  expect(warnings).toEqual([expect.objectContaining({ listen: [far] })]);
});
