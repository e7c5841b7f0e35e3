/** How `mirror` shows how far it is: a bar for each image that is under way, and one for all of them. */
import type { MirrorWatch } from '../server/index.js';
import { progressText } from './progress.js';
import { print } from './run.js';

/** Bars on the screen, or nothing; lines of results go through it. */
export interface MirrorDisplay extends Pick<MirrorWatch, 'planned' | 'begin'> {
  /** Writes a line of results: to stdout, or above the bars where both are on the terminal. */
  line(text: string): void;
  /** Takes the bars away. */
  end(): void;
}

const NOTHING = { missing: () => undefined, advance: () => undefined };

/** Lines and nothing else, as a file or another program wants them. */
export const plainMirrorDisplay: MirrorDisplay = {
  planned: () => undefined,
  begin: () => NOTHING,
  line: print,
  end: () => undefined,
};

/** Prepares the display. */
export async function createMirrorDisplay(): Promise<MirrorDisplay> {
  return process.stderr.isTTY === true ? barsDisplay() : plainMirrorDisplay;
}

async function barsDisplay(): Promise<MirrorDisplay> {
  const { default: cliProgress } = await import('cli-progress');
  const { Format, MultiBar } = cliProgress;
  const screen = new MultiBar({
    clearOnComplete: true,
    hideCursor: true,
    gracefulExit: false,
    barsize: 24,
    format: (options, { progress, value, total, startTime }, { name }) => {
      const elapsed = Date.now() - startTime;
      const numbers = `${progressText(value, total, elapsed)}${timeLeft(value, total, elapsed)}`;
      return `${Format.BarFormat(progress, options)} ${numbers} ${name}`;
    },
  });
  let all: ReturnType<typeof screen.create> | undefined;
  let total = 0;
  return {
    planned(images) {
      all = screen.create(1, 0, { name: `all ${images}` });
    },
    begin(image) {
      let bar: ReturnType<typeof screen.create> | undefined;
      let known = 0;
      let here = 0;
      return {
        missing(bytes) {
          known += bytes;
          total += bytes;
          all?.setTotal(total);
          bar ??= screen.create(known, here, { name: image });
          bar.setTotal(known);
        },
        advance(bytes) {
          here += bytes;
          all?.increment(bytes);
          bar?.increment(bytes);
          if (here < known || bar === undefined) return;
          screen.remove(bar);
          bar = undefined;
        },
      };
    },
    line(text) {
      if (all === undefined || process.stdout.isTTY !== true) print(text);
      else screen.log(`${text}\n`);
    },
    end() {
      if (all === undefined) return;
      screen.update();
      screen.stop();
      all = undefined;
    },
  };
}

/**
 * What is still to come at the speed so far: `, 3 min left`; empty while nobody can know.
 *
 * @param elapsedMs - since the start
 */
export function timeLeft(bytes: number, totalBytes: number, elapsedMs: number): string {
  if (bytes === 0 || bytes >= totalBytes) return '';
  const seconds = Math.ceil(((totalBytes - bytes) / bytes) * (elapsedMs / 1000));
  return seconds < 100 ? `, ${seconds} s left` : `, ${Math.ceil(seconds / 60)} min left`;
}
