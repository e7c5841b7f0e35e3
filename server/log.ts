/** The log: JSON lines on stdout, or lines for a person where stdout is a terminal. */
import { isatty } from 'node:tty';
import type { DestinationStream, Logger } from 'pino';

export type { Logger } from 'pino';

/** What the log can be told; the words are those of the configuration. */
export interface LogOptions {
  readonly level: string;
  /** `auto`: pretty on a terminal, JSON elsewhere. */
  readonly format: 'auto' | 'json' | 'pretty';
  /** Where the lines go instead of stdout. */
  readonly destination?: DestinationStream | undefined;
}

/** A log, and a short way into it for lines that are written by the ten thousand. */
export interface Log {
  readonly logger: Logger;
  /**
   * Writes one line with the members given as JSON text (`"status":200`), behind level and time.
   * Whether the level is on is for the caller to ask.
   */
  readonly writeLine: (level: 'info' | 'error', members: string) => void;
}

const STDOUT = 1;

/** Many lines a write, and none waits longer than the eye notices. */
const BATCHES = { sync: false, minLength: 8_192, periodicFlush: 200 };

/** Opens the log. Lines are written in the background; what is left is written when the process exits. */
export async function createLog(options: LogOptions): Promise<Log> {
  const { pino } = await import('pino');
  const pretty = options.format === 'pretty' || (options.format === 'auto' && isatty(STDOUT));
  const end = options.destination ?? pino.destination({ fd: STDOUT, ...(pretty ? { sync: true } : BATCHES) });
  const [events, requests] = pretty ? await prettyOnto(end) : [end, end];
  const timestamp = createClock();
  const settings = { level: options.level, base: null, timestamp, formatters: { level: levelName } };
  return {
    logger: pino(settings, events),
    writeLine: (level, members) => requests.write(`{"level":"${level}"${timestamp()},${members}}\n`),
  };
}

function levelName(level: string): { level: string } {
  return { level };
}

/** The time as a member of a line, written out once a millisecond. */
function createClock(): () => string {
  let written = 0;
  let text = '';
  return () => {
    const now = Date.now();
    if (now !== written) {
      written = now;
      text = `,"time":"${new Date(now).toISOString()}"`;
    }
    return text;
  };
}

/**
 * In this process, because pino's worker for it would cost more memory than the whole server.
 *
 * @returns where lines of the logger go, and where lines about requests go, of which nothing is shown but the sentence
 */
async function prettyOnto(end: DestinationStream): Promise<readonly [DestinationStream, DestinationStream]> {
  const { default: pinoPretty } = await import('pino-pretty');
  const common = { translateTime: 'SYS:HH:MM:ss', singleLine: true };
  const event = pinoPretty.prettyFactory(common);
  const request = pinoPretty.prettyFactory({
    ...common,
    include: 'level,time',
    messageFormat: (line, messageKey) =>
      'path' in line ? describeRequest(line) : String(line[messageKey] ?? ''),
  });
  return [
    { write: (line) => void end.write(event(line)) },
    { write: (line) => void end.write(request(line)) },
  ];
}

function describeRequest(line: Readonly<Record<string, unknown>>): string {
  const cut = line.cut === true ? ' cut short' : '';
  const user = typeof line.user === 'string' ? ` for ${line.user}` : '';
  const error = typeof line.error === 'string' ? `: ${line.error}` : '';
  return `${line.status} ${line.method} ${line.path} ${line.bytes} B in ${line.ms} ms to ${line.remote}${user}${cut}${error}`;
}
