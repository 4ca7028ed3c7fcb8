import type { TLSSocket } from 'node:tls';
import { takeServerMessage, type ServerMessage } from '../../postgres/messages.ts';

export type ServerMessageHandlers = {
  /** @returns whether it is the last one to read; what it throws is given to `onInvalid` */
  readonly onMessage: (message: ServerMessage) => boolean;
  /** The server sent what is no message, or none that is valid now. */
  readonly onInvalid: (cause: unknown) => void;
  readonly onClose: () => void;
};

/**
 * Reads the messages of a server, across the chunks of its connection.
 *
 * @returns ends the reading, and returns the bytes that follow the last message
 */
export const readServerMessages = (
  socket: TLSSocket,
  { onMessage, onInvalid, onClose }: ServerMessageHandlers,
): (() => Buffer) => {
  let rest = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    rest = Buffer.concat([rest, chunk]);
    try {
      for (let taken = takeServerMessage(rest); taken; taken = takeServerMessage(rest)) {
        rest = Buffer.from(taken.rest);
        if (onMessage(taken.message)) return;
      }
    } catch (cause) {
      onInvalid(cause);
    }
  };
  socket.on('data', onData).once('close', onClose);
  return () => {
    socket.off('data', onData).off('close', onClose);
    return rest;
  };
};
