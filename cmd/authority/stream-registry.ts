import type { ServerResponse } from 'node:http';

import type { StreamPod } from '../../lib/exchange/stream-authentication.ts';

export type Stream = {
  readonly pod: StreamPod;
  readonly response: ServerResponse;
  readonly slot: number;
  /** Runs of other pods whose end the pod has to know. */
  readonly followed: readonly string[];
  /** The last line that was sent, apart from heartbeats. */
  lastLine: string;
  unreadBeats: number;
};

/** The open streams, in total and by pod. */
export type StreamRegistry = {
  readonly all: ReadonlySet<Stream>;
  readonly listByPod: (podUid: string) => readonly Stream[];
  readonly add: (stream: Stream) => void;
  /** Does nothing if the stream is not registered. */
  readonly remove: (stream: Stream) => void;
};

export const createStreamRegistry = ({
  onJoin,
  onLeave,
}: {
  readonly onJoin: (podUid: string) => void;
  readonly onLeave: (podUid: string) => void;
}): StreamRegistry => {
  const all = new Set<Stream>();
  const byPod = new Map<string, readonly Stream[]>();
  const listByPod = (podUid: string): readonly Stream[] => byPod.get(podUid) ?? [];
  return {
    all,
    listByPod,
    add: (stream) => {
      const { podUid } = stream.pod;
      all.add(stream);
      byPod.set(podUid, [...listByPod(podUid), stream]);
      onJoin(podUid);
    },
    remove: (stream) => {
      if (!all.delete(stream)) return;
      const { podUid } = stream.pod;
      const rest = listByPod(podUid).filter((other) => other !== stream);
      if (rest.length === 0) byPod.delete(podUid);
      else byPod.set(podUid, rest);
      onLeave(podUid);
    },
  };
};

/** Share of all connections that event streams may use; the rest is for runs. */
export const STREAM_SHARE = 0.75;

const MAX_UNREAD_BYTES = 64 * 1024;
/** A disconnected peer never acknowledges the end. */
const END_TIMEOUT_MS = 5_000;

/** Disconnects a client that does not read. When it reconnects, it receives the complete state. */
export const writeLine = ({ response }: Stream, line: string): void => {
  if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
  else response.write(line);
};

/** Ends the response, and closes the connection even if the peer no longer responds. */
export const endStream = ({ response }: Stream, lastLine: string): void => {
  response.end(lastLine);
  setTimeout(() => response.destroy(), END_TIMEOUT_MS).unref();
};
