import type { ServerResponse } from 'node:http';

import type { StreamPod } from '../../lib/exchange/stream-authentication.ts';

export type Stream = {
  readonly pod: StreamPod;
  readonly response: ServerResponse;
  readonly slot: number;
  /** What was told last. */
  lastLine: string;
  unreadBeats: number;
};

/** The streams that are open, and whose they are. */
export type StreamRegistry = {
  readonly all: ReadonlySet<Stream>;
  readonly listByPod: (podUid: string) => readonly Stream[];
  readonly add: (stream: Stream) => void;
  /** Also one that is not there. */
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

const MAX_UNREAD_BYTES = 64 * 1024;
/** A peer that has gone silent does not say that it has read the end. */
const END_TIMEOUT_MS = 5_000;

/** Who does not read is cut: what it missed, it is told whole when it comes again. */
export const writeLine = ({ response }: Stream, line: string): void => {
  if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
  else response.write(line);
};

/** Ends the answer, and the connection whether or not its other end is still there. */
export const endStream = ({ response }: Stream, farewell: string): void => {
  response.end(farewell);
  setTimeout(() => response.destroy(), END_TIMEOUT_MS).unref();
};
