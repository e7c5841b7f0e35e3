/** What the rules of appc allow and rkt still minds. appc/spec, spec/discovery.md; rkt, how it fetches by name. */
import type { ImageManifest } from './image-manifest.js';

/** What rkt 1.30 asks for when an image is fetched by its name and a version. */
const ASKED_LABELS = ['version', 'os', 'arch'];

/**
 * Judges a manifest that keeps all rules.
 *
 * @param isFirst - whether it stands before everything else in its archive
 * @returns a line for each thing that should be different, none where all is well
 */
export function adviceFor({ labels }: ImageManifest, isFirst: boolean): string[] {
  const advice: string[] = [];
  const missing = ASKED_LABELS.filter((asked) => !labels.some(({ name }) => name === asked));
  if (missing.length > 0) {
    advice.push(`no label ${missing.join(', ')}: rkt can fetch the image by its URL, but not by its name`);
  }
  if (!isFirst) {
    advice.push(
      'the manifest is not the first entry: clients read the archive up to it, only to know what it is',
    );
  }
  return advice;
}
