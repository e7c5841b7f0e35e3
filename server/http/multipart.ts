/** Several ranges in one answer: `multipart/byteranges` (RFC 9110, section 14.6). */
import { type ByteRange, contentRange } from './ranges.js';
import type { BodyPart } from './transfers.js';

/** A body of several pieces of one file. */
export interface MultipartBody {
  /** For the answer; each piece has the file's own type. */
  readonly contentType: string;
  readonly parts: readonly BodyPart[];
}

/**
 * Lays out the pieces of a file as one body.
 *
 * @param file - its size in bytes and its content type
 * @param boundary - occurs nowhere in the file: random, at least 128 bits
 */
export function multipartBody(
  ranges: readonly ByteRange[],
  file: { readonly size: number; readonly contentType: string },
  boundary: string,
): MultipartBody {
  const parts = ranges.flatMap((range, index): BodyPart[] => {
    const head = [
      `${index === 0 ? '' : '\r\n'}--${boundary}`,
      `Content-Type: ${file.contentType}`,
      `Content-Range: ${contentRange(range, file.size)}`,
      '\r\n',
    ];
    return [Buffer.from(head.join('\r\n')), range];
  });
  const end = Buffer.from(`\r\n--${boundary}--\r\n`);
  return { contentType: `multipart/byteranges; boundary=${boundary}`, parts: [...parts, end] };
}
