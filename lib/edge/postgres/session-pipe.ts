import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { CallRefusal } from '../../calls/call-refusals.ts';
import type { EndedCall } from '../../calls/ended-call.ts';

/** For a client that reads no more, after the server has ended its session. */
const LAST_BYTES_MS = 5_000;

/**
 * Passes bytes both ways until one side closes, or the run ends. Nothing can be added to a stream of
 * messages at any moment, so a cut is a closed connection.
 */
export const pipeSession = (
  client: Socket,
  server: TLSSocket,
  signal: AbortSignal | undefined,
): Promise<Pick<EndedCall, 'outcome' | 'code'>> =>
  new Promise((resolve) => {
    const end = (result: Pick<EndedCall, 'outcome' | 'code'>): void => {
      signal?.removeEventListener('abort', onAbort);
      client.destroy();
      server.destroy();
      resolve(result);
    };
    const onAbort = (): void => end({ outcome: 'cut', code: (signal?.reason as CallRefusal).code });
    const onClientClose = (): void => end({ outcome: 'allowed' });
    const onServerClose = (): void => {
      client.setTimeout(LAST_BYTES_MS, () => client.destroy());
      client.end(() => end({ outcome: 'allowed' }));
    };
    // No event follows for what has ended before.
    if (signal?.aborted === true) {
      onAbort();
      return;
    }
    if (client.destroyed) {
      onClientClose();
      return;
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    // The last messages of the other side, such as why a server ends a session, arrive first.
    client.once('close', onClientClose);
    if (server.destroyed) {
      onServerClose();
      return;
    }
    server.once('close', onServerClose);
    client.pipe(server);
    server.pipe(client);
  });
