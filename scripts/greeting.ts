/** What `serve` says when it is up: where everything is, and what to try next. */
import { resolve } from 'node:path';
import type { Config } from '../server/index.js';

/**
 * A few lines for a terminal.
 *
 * @param hasKey - whether there is a signing key already
 */
export function greeting(urls: readonly string[], config: Config, hasKey: boolean): string {
  const curl = curlFor(urls[0] ?? '', config.publicUrl);
  const keys = optionFor('--keys', config.keys.dir, 'keys');
  const folders = optionFor('--assets', config.assets.dir, 'assets') + keys;
  return [
    `bootdepot listens on ${urls.join(', ')}`,
    `  assets  ${resolve(config.assets.dir)}`,
    `  keys    ${resolve(config.keys.dir)}${hasKey ? '' : ', no signing key yet'}`,
    `  data    ${resolve(config.data.dir)}`,
    'Try next:',
    `  ${curl('/')}`,
    `  ${curl('/assets/')}`,
    ...(hasKey
      ? [`  ${curl('/keys/pubkey.asc')}`]
      : [`  bootdepot key create${keys} --name "Rack 7" --email ops@example.com`]),
    ...(config.sign.auto ? [] : [`  bootdepot sign${folders}`]),
  ].join('\n');
}

/** How to ask the server with curl: by its public address, its first listener, or its socket file. */
function curlFor(url: string, publicUrl: string | undefined): (path: string) => string {
  if (publicUrl !== undefined) return (path) => `curl ${publicUrl}${path}`;
  if (url.startsWith('unix:')) return (path) => `curl --unix-socket ${url.slice(5)} http://depot${path}`;
  const reachable = url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
  const insecure = url.startsWith('https:') ? '-k ' : '';
  return (path) => `curl ${insecure}${reachable}${path}`;
}

function optionFor(flag: string, value: string, byDefault: string): string {
  return value === byDefault ? '' : ` ${flag} ${value}`;
}
