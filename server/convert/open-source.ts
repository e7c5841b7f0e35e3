/** The sources of images by the way they are written: `oci:DIR[:REF]`. */
import { stat } from 'node:fs/promises';
import { DepotError } from '../errors.js';
import { openOciLayout } from './oci-layout.js';
import type { Platform } from './platform.js';
import type { ImageReference, ImageSource } from './source.js';

/** What is wanted of a source. */
export interface SourceChoice {
  readonly platform: Platform | undefined;
  /** What the image is called instead of what its source says. */
  readonly reference: ImageReference | undefined;
}

const OCI = 'oci:';

/**
 * Opens the image that a user named.
 *
 * @param text - `oci:DIR` or `oci:DIR:REF`
 * @throws DepotError `USAGE`: a way of writing that is not known; as {@link openOciLayout}
 */
export async function openSource(text: string, choice: SourceChoice): Promise<ImageSource> {
  if (text.startsWith(OCI)) return openOciLayout({ ...choice, ...(await splitRef(text.slice(OCI.length))) });
  throw new DepotError('USAGE', `expected oci:DIR or oci:DIR:REF, got ${text}`);
}

/** A colon may stand in the name of a folder; what is there as a whole has no reference. */
async function splitRef(text: string): Promise<{ readonly folder: string; readonly ref?: string }> {
  const colon = text.lastIndexOf(':');
  const isWhole = await stat(text).then(
    () => true,
    () => false,
  );
  if (isWhole || colon <= 0) return { folder: text };
  return { folder: text.slice(0, colon), ref: text.slice(colon + 1) };
}
