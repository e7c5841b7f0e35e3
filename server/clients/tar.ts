/** An archive of the files, to be unpacked at the root of a machine. */
import { END_MARK, paddingOf, tarHeaders } from '../stream/tar-writer.js';
import type { ClientTexts } from './client-file.js';

/** The same files give the same bytes. */
export function tar({ files }: ClientTexts): Buffer {
  const blocks = files.flatMap(({ path, mode, content }) => {
    const data = Buffer.from(content);
    const headers = tarHeaders({
      type: 'file',
      name: Buffer.from(path.replace(/^\//, '')).toString('latin1'),
      linkName: '',
      mode,
      uid: 0,
      gid: 0,
      uname: 'root',
      gname: 'root',
      size: data.length,
      mtime: 0,
      mtimeNanoseconds: 0,
      devMajor: 0,
      devMinor: 0,
      xattrs: new Map(),
    });
    return [headers, data, Buffer.alloc(paddingOf(data.length))];
  });
  return Buffer.concat([...blocks, END_MARK]);
}
