/** A bare connection: sends what it is told, and hands over all that came back when the connection ends. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Sends a text and reads until the server closes the connection, or until `until` has come. */
export async function exchange(port: number, text: string, until?: string): Promise<string> {
  const socket = await dial(port);
  socket.write(text, 'latin1');
  return readAll(socket, until);
}

/** An open connection; errors on it are left to whoever reads. */
export async function dial(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** All that comes until the end, or until `until` has come; then the connection is closed. */
export function readAll(socket: Socket, until?: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (until !== undefined && text.includes(until)) socket.destroy();
    });
    socket.on('close', () => resolve(text));
  });
}
