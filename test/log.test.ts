import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createLog } from '../server/index.js';
import { type LiveDepot, startLiveDepot } from './fixtures/live-depot.js';
import { exchange } from './http/line-client.js';

async function collect(format: 'json' | 'pretty', level = 'info') {
  const lines: string[] = [];
  const log = await createLog({ level, format, destination: { write: (line) => void lines.push(line) } });
  return { log, lines };
}

const REQUEST =
  '"id":"a-1","method":"GET","path":"/assets/a","status":200,"bytes":5,"ms":0.3,"remote":"::1","agent":"curl"';

describe('the log', () => {
  test('is one JSON object a line, with level and time, whoever built it', async () => {
    const { log, lines } = await collect('json');
    log.logger.warn({ file: 'x' }, 'careful');
    log.writeLine('info', REQUEST);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(lines.every((line) => line.endsWith('}\n'))).toBe(true);
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { level: 'warn', time, file: 'x', msg: 'careful' },
      expect.objectContaining({ level: 'info', time, path: '/assets/a', status: 200 }),
    ]);
  });

  test('leaves out what is below its level', async () => {
    const { log, lines } = await collect('json', 'error');
    log.logger.info('no');
    log.logger.error('yes');
    expect(lines).toHaveLength(1);
    expect(log.logger.isLevelEnabled('info')).toBe(false);
  });

  test('reads as sentences where it is pretty', async () => {
    const { log, lines } = await collect('pretty');
    log.writeLine('info', REQUEST);
    log.writeLine('info', `${REQUEST},"cut":true`);
    log.logger.info({ urls: ['http://a'] }, 'listening');
    log.writeLine('info', `${REQUEST},"repository":"a","digest":"sha256:1","user":"eve","error":"DENIED"`);
    log.logger.error({ digest: 'sha256:2' }, 'damaged');
    // Colours depend on the terminal of whoever runs the tests.
    const plain = lines.map((line) => line.replaceAll(/\[\d+m/g, '').replaceAll('\u001b', ''));
    expect(plain[0]).toContain('200 GET /assets/a 5 B in 0.3 ms to ::1');
    expect(plain[1]).toContain('to ::1 cut short');
    expect(plain[2]).toContain('listening');
    expect(plain[3]?.trimEnd()).toMatch(/to ::1 for eve: DENIED$/);
    expect(plain[4]).toContain('sha256:2');
  });
});

describe('what clients send', () => {
  let depot: LiveDepot;
  beforeAll(async () => {
    depot = await startLiveDepot();
  });
  afterAll(() => depot.remove());

  test.each([
    ['no request', 'GARBAGE\r\n\r\n', 400, { msg: 'unreadable request refused' }],
    [
      'headers without end',
      `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`,
      431,
      { msg: 'unreadable request refused' },
    ],
    ['a tunnel', 'CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n', 405, { msg: 'unreadable request refused' }],
    ['no Host', 'GET /nohost HTTP/1.1\r\nConnection: close\r\n\r\n', 400, { path: '/nohost' }],
  ])('is answered, logged and counted, be it %s', async (_, text, status, line) => {
    const count = async () => {
      const metrics = await (await fetch(`http://127.0.0.1:${depot.port}/metrics`)).text();
      return [...metrics.matchAll(/^bootdepot_requests_total\{.*status="4xx".*\} (\d+)$/gm)].reduce(
        (sum, [, value]) => sum + Number(value),
        0,
      );
    };
    const before = await count();
    expect(await exchange(depot.port, text)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(depot.log()).toContainEqual(expect.objectContaining({ ...line, status }));
    expect(await count()).toBe(before + 1);
  });

  test('cannot steer the terminal of whoever reads the log, nor add members to a line', async () => {
    const agent = '\x9b31m"}\\ ,"status":999 \x85end';
    const request = `GET /healthz HTTP/1.1\r\nHost: a\r\nUser-Agent: ${agent}\r\nConnection: close\r\n\r\n`;
    await exchange(depot.port, request);
    const line = depot.log().find(({ path }) => path === '/healthz');
    expect(line).toMatchObject({ status: 200, agent: '?31m"}\\ ,"status":999 ?end' });
  });
});
