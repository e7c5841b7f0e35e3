/** How file bytes leave the process: by the kernel alone where it can, else through pooled buffers. */
import type { ServerResponse } from 'node:http';
import type { ReadableFile } from './descriptor-file.js';
import { KernelSends, type TurnOptions } from './kernel-sends.js';
import { createPooledReads } from './pooled-reads.js';
import { plainDescriptor, type Sendfile } from './sendfile.js';
import { type BodyPart, Transfer, type WrittenVersion } from './transfer.js';

export type { BodyPart } from './transfer.js';

/** Sends file bodies and knows how many are under way. */
export interface Transfers {
  /**
   * Sends the headers that are set on `res`, then the parts, ends the response and closes the file. Sets
   * `Content-Length` to the sum of the parts. Returns at once; the response's own `finish` (sent in full) or `close`
   * without it (cut short) tells how it went. Never throws for a client that left. If the file turns out shorter
   * than its parts, the connection is closed: nothing is ever padded.
   *
   * @param file - one open file for the whole answer, a `FileHandle` for example; the transfer owns it from here on
   * @param parts - pieces must lie inside the file
   * @param version - of the file when it was described; one that is written to while it is sent is cut before its end
   */
  send(res: ServerResponse, file: ReadableFile, parts: readonly BodyPart[], version?: WrittenVersion): void;
  /** To be called for each new connection: newcomers are accepted before files flow on. */
  sawConnection(): void;
  /** Answers under way. */
  readonly open: number;
  /** Body bytes handed to the kernel since the start. */
  readonly bytes: number;
}

/** How the files are to be sent. */
export interface TransfersOptions extends TurnOptions {
  /** From {@link loadSendfile}; without it all bodies go through pooled reads. */
  readonly sendfile?: Sendfile | undefined;
}

/** Makes the sender that all listeners of a process share. */
export function createTransfers({ sendfile, ...turns }: TransfersOptions = {}): Transfers {
  const totals = { open: 0, bytes: 0 };
  const pooledReads = createPooledReads();
  const kernelSends = sendfile && new KernelSends(sendfile, pooledReads, turns);
  return {
    send(res, file, parts, version) {
      if (!res.headersSent) res.setHeader('Content-Length', bodyLength(parts));
      const transfer = new Transfer(res, { file, version }, parts, totals);
      if (res.req.method === 'HEAD') transfer.complete();
      else if (kernelSends && plainDescriptor(transfer.socket) !== undefined) kernelSends.start(transfer);
      else pooledReads(transfer);
    },
    sawConnection() {
      kernelSends?.sawConnection();
    },
    get open() {
      return totals.open;
    },
    get bytes() {
      return totals.bytes;
    },
  };
}

function bodyLength(parts: readonly BodyPart[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
