/** Entries of an archive as `tar -tv` writes them. */
import type { ListedAciEntry } from '../server/index.js';

const TYPES: Readonly<Record<ListedAciEntry['type'], string>> = {
  file: '-',
  'hard-link': 'h',
  symlink: 'l',
  'character-device': 'c',
  'block-device': 'b',
  directory: 'd',
  fifo: 'p',
  sparse: '-',
  'global-header': '?',
  unknown: '?',
};

/** What owner and size take at least, as in GNU tar; wider from the first entry on that needs more. */
const MIN_WIDTH = 18;

/** @returns a function that writes one entry after the other; times are those of this machine's zone */
export function longListing(): (entry: ListedAciEntry) => string {
  let width = MIN_WIDTH;
  return (entry) => {
    const { uid, gid, user, group, mtime, name, target } = entry;
    const owner = `${user || uid}/${group || gid}`;
    const size = entry.device ? `${entry.device.major},${entry.device.minor}` : String(entry.size);
    width = Math.max(width, owner.length + size.length);
    const arrow = entry.type === 'hard-link' ? ' link to ' : ' -> ';
    const link = target === undefined ? '' : arrow + target;
    return `${modeOf(entry)} ${owner} ${size.padStart(width - owner.length)} ${timeOf(mtime)} ${name}${link}`;
  };
}

/** Such as `-rwsr-xr-t`. */
function modeOf({ type, mode }: ListedAciEntry): string {
  const triple = (shift: number, special: number, letter: string): string => {
    const bits = mode >> shift;
    const runs = (bits & 1) !== 0;
    const plain = runs ? 'x' : '-';
    const last = (mode & special) === 0 ? plain : runs ? letter : letter.toUpperCase();
    return `${(bits & 4) === 0 ? '-' : 'r'}${(bits & 2) === 0 ? '-' : 'w'}${last}`;
  };
  return `${TYPES[type]}${triple(6, 0o4000, 's')}${triple(3, 0o2000, 's')}${triple(0, 0o1000, 't')}`;
}

/** Such as `2016-11-23 17:05`; what no calendar has stays a number of seconds. */
function timeOf(seconds: number): string {
  const time = new Date(seconds * 1000);
  if (Number.isNaN(time.getTime())) return String(seconds);
  const [month, day, hour, minute] = [
    time.getMonth() + 1,
    time.getDate(),
    time.getHours(),
    time.getMinutes(),
  ];
  const two = (value: number): string => String(value).padStart(2, '0');
  const year = String(time.getFullYear()).padStart(4, '0');
  return `${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}`;
}
