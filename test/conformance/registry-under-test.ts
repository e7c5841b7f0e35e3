/** The registry that is asked, with what holds of each of its answers. */
import { expect } from '@jest/globals';
import { errorCodes, type PlainAnswer, type PlainRequest, plainRequest } from '../fixtures/plain-request.js';
import { digestOf } from '../fixtures/registry-client.js';
import type { TestBlob } from './data-sets.js';
import type { Table } from './table.js';

/** Speaks to one registry, and counts what it is asked. */
export class RegistryUnderTest {
  readonly table: Table;
  readonly #port: number;
  readonly #headers: Readonly<Record<string, string>>;

  /** @param headers - sent with every request */
  constructor(port: number, table: Table, headers: Readonly<Record<string, string>> = {}) {
    this.#port = port;
    this.table = table;
    this.#headers = headers;
  }

  /** One request, and what is true of every answer. */
  async ask(
    method: string,
    path: string,
    { headers = {}, ...more }: PlainRequest = {},
  ): Promise<PlainAnswer> {
    const answer = await plainRequest(this.#port, method, path, {
      headers: { ...this.#headers, ...headers },
      ...more,
    });
    expect(answer.headers['docker-distribution-api-version']).toBe('registry/2.0');
    expect(answer.headers['content-encoding']).toBeUndefined();
    expect(answer.headers['content-type'] ?? '').not.toContain('charset');
    if (method !== 'HEAD' && answer.status !== 204 && answer.status !== 304) {
      expect(answer.headers['content-length']).toBe(String(answer.body.length));
    }
    return answer;
  }

  /** One request whose status, and code if it is an error, are known; counted under `api`. */
  async expect(
    api: string,
    [method, path, more]: readonly [method: string, path: string, more?: PlainRequest],
    status: number,
    code?: string,
  ): Promise<PlainAnswer> {
    return this.table.count(api, async () => {
      const answer = await this.ask(method, path, more);
      expect([method, path, answer.status]).toEqual([method, path, status]);
      if (code !== undefined) expect(errorCodes(answer)).toContain(code);
      if (method === 'HEAD') expect(answer.body).toHaveLength(0);
      return answer;
    });
  }

  /** What was created is where the answer says, under the digest that the client named. */
  async expectCreated(answer: PlainAnswer, { digest, bytes }: TestBlob): Promise<void> {
    await this.table.count('Location of 201', async () => {
      expect(answer.status).toBe(201);
      expect(answer.headers['docker-content-digest'] ?? digest).toBe(digest);
      const got = await this.ask('GET', answer.headers.location ?? 'missing');
      expect([got.status, got.headers['docker-content-digest']]).toEqual([200, digest]);
      const algorithm = digest.startsWith('sha512') ? 'sha512' : 'sha256';
      expect([got.body.equals(bytes), digestOf(got.body, algorithm)]).toEqual([true, digest]);
    });
  }

  /** Deletes, and sees at once that it is gone. */
  async expectDeleted(api: string, path: string): Promise<void> {
    await this.expect(api, ['DELETE', path], 202);
    await this.expect(`${api}, then HEAD`, ['HEAD', path], 404);
  }
}
