/** Bytes of names as text that may go to a terminal. */

/**
 * Writes a name: UTF-8 as it is, every other byte and every control character as `\xNN`, a backslash doubled.
 *
 * @param bytes - Latin-1, one character a byte, as names of tar entries are
 */
export function printableBytes(bytes: string): string {
  if (/^[\x20-\x5b\x5d-\x7e]*$/.test(bytes)) return bytes;
  const text = Buffer.from(bytes, 'latin1').toString('utf8');
  const isUtf8 = Buffer.from(text, 'utf8').toString('latin1') === bytes;
  return isUtf8 ? printableText(text) : escaped(bytes, /[^\x20-\x5b\x5d-\x7e]/g);
}

/**
 * Writes a text that came from outside: control characters, invisible ones and line ends as `\u{N}`.
 *
 * @param text - untrusted
 */
export function printableText(text: string): string {
  return escaped(text, /[\p{C}\p{Zl}\p{Zp}\\]/gu);
}

function escaped(text: string, pattern: RegExp): string {
  return text.replace(pattern, (character) => {
    if (character === '\\') return '\\\\';
    const code = character.codePointAt(0) ?? 0;
    return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}
