/** `GET /v2/token`: a token for who logged in, or for nobody. Docker registry token authentication specification. */
import type { ServerResponse } from 'node:http';
import type { Access, Caller } from '../../index.js';
import { answerJson } from './answer.js';

/** Answers with a token. What it is asked for (`scope`) is not looked at: rights are looked up when it is used. */
export async function getToken(res: ServerResponse, access: Access, { user }: Caller): Promise<void> {
  const { text, seconds } = await access.issueToken(user);
  const document = { token: text, access_token: text, expires_in: seconds };
  answerJson(res, 200, document, { 'Cache-Control': 'no-store' });
}
