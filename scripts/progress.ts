/** How a long command shows how far it is: a bar with speed on a terminal, plain lines elsewhere. */
import type { Progress } from '../server/index.js';
import { print } from './run.js';

/** Progress on the screen. Lines of results go through it, so that they do not mix with a bar. */
export interface Display extends Progress {
  /** Writes a line of results: to stdout, or above the bar where both are on the terminal. */
  line(text: string): void;
  /** Takes the bar away. */
  end(): void;
}

/** Prepares the display of a command. */
export async function createDisplay(): Promise<Display> {
  return process.stderr.isTTY === true ? barDisplay() : plainDisplay;
}

/** Lines and nothing else, as a file or another program wants them. */
export const plainDisplay: Display = {
  start: () => undefined,
  advance: () => undefined,
  line: print,
  end: () => undefined,
};

async function barDisplay(): Promise<Display> {
  const { default: cliProgress } = await import('cli-progress');
  const { Format, MultiBar } = cliProgress;
  const screen = new MultiBar({
    clearOnComplete: true,
    hideCursor: true,
    gracefulExit: false,
    barsize: 24,
    format: (options, { progress, value, total, startTime }) =>
      `${Format.BarFormat(progress, options)} ${progressText(value, total, Date.now() - startTime)}`,
  });
  let shown: ReturnType<typeof screen.create> | undefined;
  return {
    start({ bytes }) {
      shown = screen.create(bytes, 0);
    },
    advance: (bytes) => shown?.increment(bytes),
    line(text) {
      if (shown === undefined || process.stdout.isTTY !== true) print(text);
      else screen.log(`${text}\n`);
    },
    end() {
      screen.update();
      screen.stop();
      shown = undefined;
    },
  };
}

/**
 * What stands beside a bar: `1.2 of 4.3 GB, 870 MB/s`.
 *
 * @param elapsedMs - since the start
 */
export function progressText(bytes: number, totalBytes: number, elapsedMs: number): string {
  const [unit, name] = totalBytes >= 1e9 ? [1e9, 'GB'] : [1e6, 'MB'];
  const done = (Math.min(bytes, totalBytes) / unit).toFixed(1);
  const speed = elapsedMs > 0 ? bytes / 1e6 / (elapsedMs / 1000) : 0;
  return `${done} of ${(totalBytes / unit).toFixed(1)} ${name}, ${speed.toFixed(0)} MB/s`;
}
