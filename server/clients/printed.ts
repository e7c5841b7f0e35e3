/** Files for eyes: one as it is, several with a header each. */
import { type ClientFile, type ClientTexts, describe } from './client-file.js';
import { commentLines } from './written.js';

/** One text; what is binary is shown in base64. */
export function printed({ files }: ClientTexts): string {
  const [only] = files;
  if (only !== undefined && files.length === 1) return textOf(only);
  return files.map((file) => `${commentLines([HEADER, ...headerOf(file)])}${textOf(file)}`).join('\n');
}

const HEADER = '-'.repeat(60);

/** What a text says in its own comment is not said twice. */
function headerOf(file: ClientFile): readonly string[] {
  const facts = describe(file);
  if (typeof file.content !== 'string') return [...facts, 'Binary; here in base64.'];
  return file.content.includes(commentLines(facts)) ? [file.path] : facts;
}

function textOf({ content }: ClientFile): string {
  if (typeof content === 'string') return content;
  const lines =
    Buffer.from(content)
      .toString('base64')
      .match(/.{1,76}/g) ?? [];
  return `${lines.join('\n')}\n`;
}
