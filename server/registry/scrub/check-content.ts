/** Reading all content of a registry folder, at a bounded speed, and comparing it with its digests. */
import { DepotError } from '../../errors.js';
import type { Digest } from '../../oci/digest.js';
import { Throttle } from '../../stream/throttle.js';
import type { Registry } from '../open-registry.js';
import type { Finding } from './finding.js';

/** How to read. */
export interface ContentCheck {
  /** Whether what does not match is put aside. */
  readonly repair: boolean;
  /** Bytes a second; 0 for no bound. */
  readonly speed: number;
  /** The first two digits of a digest, with its algorithm (`sha256/4f`), behind which to begin. */
  readonly behind?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly onFinding: (finding: Finding) => void;
  /** Told of each part, named as in `behind`, that was read to its end. */
  readonly onPart: (part: string) => Promise<void>;
}

/** How much was read. */
export interface CheckedContent {
  contents: number;
  bytes: number;
}

/**
 * Checks all content.
 *
 * @throws DepotError `INTERRUPTED`; `ACCESS_DENIED`, `IO_FAILED`
 */
export async function checkContent(registry: Registry, check: ContentCheck): Promise<CheckedContent> {
  const checked: CheckedContent = { contents: 0, bytes: 0 };
  const throttle = new Throttle(check.speed);
  for (const part of await registry.content.parts()) {
    if (check.behind !== undefined && part <= check.behind) continue;
    for (const digest of await registry.content.digestsIn(part)) {
      await checkOne(registry, digest, { check, checked, throttle });
    }
    await check.onPart(part);
  }
  return checked;
}

interface Work {
  readonly check: ContentCheck;
  readonly checked: CheckedContent;
  readonly throttle: Throttle;
}

async function checkOne({ content }: Registry, digest: Digest, work: Work): Promise<void> {
  const { check, checked, throttle } = work;
  const found = await content.find(digest);
  if (found === undefined) return;
  const right = await content
    .matches(found, {
      signal: check.signal,
      onBytes(bytes) {
        checked.bytes += bytes;
        throttle.spend(bytes);
        check.onBytes?.(bytes);
      },
      pause: () => throttle.rest(check.signal),
    })
    .catch(rightIfChanged);
  checked.contents += 1;
  if (right) return;
  if (check.repair) await content.quarantine(found);
  check.onFinding({ kind: 'damaged', name: digest, repaired: false });
}

/** What is pushed again or removed meanwhile is somebody's work under way, and not damage. */
function rightIfChanged(error: unknown): true {
  if (error instanceof DepotError && (error.code === 'FILE_CHANGED' || error.code === 'NOT_FOUND'))
    return true;
  throw error;
}
