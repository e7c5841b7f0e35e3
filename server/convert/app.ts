/** The `app` of an image manifest: how the image is run, as docker2aci says it. appc/spec, spec/aci.md, `app`. */
import { posix } from 'node:path';
import type { RunConfig } from './config.js';

/** What could not be said in appc's words is left out and told, a sentence each. */
export type Warn = (text: string) => void;

interface NamedText {
  readonly name: string;
  readonly value: string;
}

/** The `app` as it is written. */
export type AppJson = Readonly<Record<string, unknown>>;

/**
 * Makes the `app` of a config.
 *
 * @param withLabels - whether labels become user labels, as for old images
 */
export function appOf(config: RunConfig, withLabels: boolean, warn: Warn): AppJson {
  const environment = environmentOf(config.Env, warn);
  const mountPoints = mountPointsOf(config.Volumes ?? []);
  const ports = portsOf(config.ExposedPorts ?? (withLabels ? config.PortSpecs : []), warn);
  const labels = withLabels ? Object.entries(config.Labels ?? {}).sort() : [];
  return {
    exec: [...config.Entrypoint, ...config.Cmd],
    ...ownerOf(config.User),
    ...(config.WorkingDir !== '' && { workingDirectory: absolute(config.WorkingDir) }),
    ...(environment.length > 0 && { environment }),
    ...(mountPoints.length > 0 && { mountPoints }),
    ...(ports.length > 0 && { ports }),
    ...(labels.length > 0 && { userLabels: Object.fromEntries(labels) }),
  };
}

function ownerOf(text: string): { readonly user: string; readonly group: string } {
  const [user = '', group] = text.split(':');
  return { user: user || '0', group: (group ?? user) || user || '0' };
}

function absolute(path: string): string {
  return path.startsWith('/') ? path : `/${path}`;
}

/** A name that is there twice has its last value, in its first place. */
function environmentOf(entries: readonly string[], warn: Warn): NamedText[] {
  const values = new Map<string, string>();
  for (const entry of entries) {
    const equals = entry.indexOf('=');
    const name = entry.slice(0, Math.max(equals, 0));
    if (/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name)) values.set(name, entry.slice(equals + 1));
    else if (equals !== -1) warn(`left out the variable ${JSON.stringify(entry)}: appc takes no such name`);
  }
  return [...values].map(([name, value]) => ({ name, value }));
}

function mountPointsOf(paths: readonly string[]): readonly NamedPath[] {
  const names = new UniqueNames();
  const sorted = paths.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
  const points = sorted.map((path) => ({
    name: names.take(acName(posix.join('volume', path), 'volume')),
    path,
  }));
  return points.sort(byName);
}

interface NamedPath {
  readonly name: string;
  readonly path: string;
}

/** `80/tcp`, `53`, `8000-8010/tcp`. */
const PORT = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(.*))?$/s;

function portsOf(keys: readonly string[], warn: Warn): readonly { readonly name: string }[] {
  const names = new UniqueNames();
  const ports = keys.toSorted().flatMap((key) => {
    const [, first = '', last = first, protocol] = PORT.exec(key) ?? [];
    const [port, end] = [Number(first), Number(last)];
    if (first === '' || port < 1 || end < port || end > 65_535) {
      warn(`left out the port ${JSON.stringify(key)}: expected a number from 1 to 65535, or a range`);
      return [];
    }
    const name = names.take(acName(key, 'port'));
    const count = end - port + 1;
    return [{ name, protocol: protocol || 'tcp', port, count, socketActivated: false }];
  });
  return ports.sort(byName);
}

function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name < other.name ? -1 : 1;
}

/** An AC Name for any text: what may not stand in one becomes `-`, code point by code point. */
function acName(text: string, otherwise: string): string {
  const name = text.toLowerCase().replace(/[^a-z0-9-]/gu, '-');
  let [start, end] = [0, name.length];
  // A pattern for the dashes at its end would look from each dash of a long text.
  while (name[start] === '-') start += 1;
  while (end > start && name[end - 1] === '-') end -= 1;
  return name.slice(start, end) || otherwise;
}

/** Names of which none is given twice: `-1`, `-2` and so on tell them apart. */
class UniqueNames {
  /** Of each name that is taken, the number to be tried next. */
  readonly #taken = new Map<string, number>();

  take(name: string): string {
    let free = name;
    let number = this.#taken.get(name) ?? 1;
    for (; this.#taken.has(free); number += 1) free = `${name}-${number}`;
    this.#taken.set(name, number);
    this.#taken.set(free, this.#taken.get(free) ?? 1);
    return free;
  }
}
