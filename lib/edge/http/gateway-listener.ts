import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { createLocalServer, type ListenerLimits } from './local-listener.ts';

/** Uploads take as long as they move. SDKs keep idle connections for up to a minute. */
const GATEWAY_LIMITS: ListenerLimits = {
  headerBytes: 32 * 1024,
  requestMs: 0,
  idleMs: 60_000,
  stallMs: 60_000,
};

type Exchange = { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse };

/** The request is complete and nothing is left to send: the client waits for the cloud. */
const isWaitingForCloud = (socket: Socket, { incoming, outgoing }: Exchange): boolean =>
  incoming.complete && !outgoing.writableEnded && socket.writableLength === 0;

/**
 * Creates the server of AWS calls; it does not listen yet. A client that neither sends the rest of its
 * request nor reads its response for a minute is closed; one that waits for the cloud is not.
 */
export const createGatewayServer = (
  handler: RequestListener,
  stallMs = GATEWAY_LIMITS.stallMs,
): Server => {
  const current = new WeakMap<Socket, Exchange>();
  const handle: RequestListener = (incoming, outgoing) => {
    current.set(incoming.socket, { incoming, outgoing });
    handler(incoming, outgoing);
  };
  const server = createLocalServer(handle, { ...GATEWAY_LIMITS, stallMs });
  // The handler decides before it asks for the body.
  server.on('checkContinue', (incoming, outgoing) => server.emit('request', incoming, outgoing));
  server.on('timeout', (socket: Socket) => {
    const exchange = current.get(socket);
    if (exchange !== undefined && isWaitingForCloud(socket, exchange)) socket.setTimeout(stallMs);
    else socket.destroy();
  });
  return server;
};
