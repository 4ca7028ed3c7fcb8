import type { ServerResponse } from 'node:http';

import { HEARTBEAT_MS, type StreamLine } from '../../lib/contract/authority.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { IssuingError } from '../../lib/issuing/refusal.ts';
import { isCompletionBy } from '../../lib/revocation/completion.ts';
import type { PodFacts } from '../../lib/revocation/matching.ts';
import { openRunOwners } from '../../lib/revocation/run-owners.ts';
import type { Revocations } from './revocations.ts';

/** The pod behind a stream, as its token and the API server say. */
export type StreamPod = PodFacts & {
  /** `exp` of the token, milliseconds since the epoch: the stream ends with it. */
  readonly tokenExpiresAt: number;
};

/** What sidecars are told while they listen. */
export type Streams = {
  /**
   * Answers with a stream of {@link StreamLine}: what is revoked now, each change that touches the
   * pod, and heartbeats. Resolves once the first line is written.
   *
   * @throws whatever `authenticate` throws; IssuingError `revocations_unavailable`, `overloaded`,
   *   `draining`: nothing was answered then
   */
  readonly serve: (token: string, response: ServerResponse, peer: string) => Promise<void>;
  /** The pod is gone: so are its streams. */
  readonly closePod: (podUid: string) => void;
  readonly count: () => number;
  /** Says goodbye to all of them, spread over `spreadMs`, and takes no more. */
  readonly drain: (spreadMs: number) => Promise<void>;
  /** Ends all of them at once. */
  readonly stop: () => void;
};

export type StreamsEdges = {
  /** @throws IdentityError */
  readonly authenticate: (token: string, peer: string) => Promise<StreamPod>;
  readonly revocations: Pick<Revocations, 'active' | 'subscribe' | 'isCurrent'>;
  /** Whether the run is of the pod with this UID: an HMAC. */
  readonly belongsTo: (run: string, podUid: string) => boolean;
  /** See {@link RevocationsEdges.by}. */
  readonly by: string;
  readonly clock: Pick<Clock, 'now'>;
  readonly onCount: (count: number) => void;
  /** Of all pods; each costs a connection. */
  readonly maxStreams: number;
};

/** A sidecar that comes again may overlap with itself. */
const MAX_PER_POD = 2;
/** Beats are spread, so that no moment writes to every stream. */
const SLOTS = 10;
/** HMACs in one go: a few milliseconds. */
const TRIALS = 256;
/** Beats that found the last one still unread. */
const MAX_UNREAD_BEATS = 2;
const MAX_UNREAD_BYTES = 64 * 1024;
/** A peer that has gone silent does not say that it has read the end. */
const END_MS = 5_000;

type Stream = {
  readonly pod: StreamPod;
  readonly response: ServerResponse;
  readonly slot: number;
  /** What was told last. */
  told: string;
  unreadBeats: number;
};

const render = (line: StreamLine): string => `${JSON.stringify(line)}\n`;
const HEARTBEAT = render({ type: 'heartbeat' });
const GOODBYE = render({ type: 'goodbye' });
const NOTHING_REVOKED = render({ type: 'revocations', active: [] });

/** Opens them. One timer beats for all; a change is matched by lookup, not by a walk. */
export const openStreams = (edges: StreamsEdges): Streams => {
  const { authenticate, revocations, clock, onCount, maxStreams } = edges;
  const owners = openRunOwners(edges.belongsTo);
  const byPod = new Map<string, Stream[]>();
  const streams = new Set<Stream>();
  let isDraining = false;
  let turn = 0;
  let finding: NodeJS.Immediate | undefined;

  const tell = (stream: Stream): void => {
    const { pod } = stream;
    const own = owners.ownedBy(pod.podUid);
    const active = revocations.active().forPod(pod, clock.now(), own);
    const line = active.length === 0 ? NOTHING_REVOKED : render({ type: 'revocations', active });
    if (line === stream.told) return;
    stream.told = line;
    write(stream, line);
  };
  const beat = (stream: Stream): void => {
    const { pod, response } = stream;
    stream.unreadBeats = response.writableLength > 0 ? stream.unreadBeats + 1 : 0;
    if (!revocations.isCurrent()) end(stream, GOODBYE);
    else if (clock.now() >= pod.tokenExpiresAt) end(stream);
    else if (stream.unreadBeats >= MAX_UNREAD_BEATS) response.destroy();
    else write(stream, HEARTBEAT);
  };
  const timer = setInterval(() => {
    turn = (turn + 1) % SLOTS;
    for (const stream of streams) if (stream.slot === turn) beat(stream);
  }, HEARTBEAT_MS / SLOTS);
  timer.unref();
  /** A portion now, the rest in turns between which others are served. */
  const findOwners = (): void => {
    const { gained, isDone } = owners.advance(TRIALS);
    for (const podUid of gained) byPod.get(podUid)?.forEach(tell);
    if (!isDone) finding ??= setImmediate(findMore);
  };
  const findMore = (): void => {
    finding = undefined;
    findOwners();
  };
  const follow = (): void => {
    const { ofRuns } = revocations.active();
    owners.replace(ofRuns.filter((revocation) => !isCompletionBy(revocation, edges.by)));
    findOwners();
    streams.forEach(tell);
  };
  const unsubscribe = revocations.subscribe(follow);
  follow();

  /** Whoever is told goodbye comes again at once, elsewhere; who is not comes when it will. */
  const end = (stream: Stream, farewell = ''): void => {
    forget(stream);
    stream.response.end(farewell);
    setTimeout(() => stream.response.destroy(), END_MS).unref();
  };
  const assertOpen = (): void => {
    if (isDraining) throw new IssuingError('draining', 'this replica ends');
    if (!revocations.isCurrent()) {
      throw new IssuingError('revocations_unavailable', 'the revocations are not known');
    }
    if (streams.size >= maxStreams) throw new IssuingError('overloaded', 'too many streams');
  };
  const forget = (stream: Stream): void => {
    if (!streams.delete(stream)) return;
    const { podUid } = stream.pod;
    const rest = (byPod.get(podUid) ?? []).filter((other) => other !== stream);
    if (rest.length === 0) byPod.delete(podUid);
    else byPod.set(podUid, rest);
    owners.leave(podUid);
    onCount(streams.size);
  };
  const add = (stream: Stream): void => {
    const { podUid } = stream.pod;
    const ofPod = [...(byPod.get(podUid) ?? []), stream];
    byPod.set(podUid, ofPod);
    streams.add(stream);
    owners.join(podUid);
    onCount(streams.size);
    for (const old of ofPod.slice(0, -MAX_PER_POD)) end(old);
  };

  return {
    serve: async (token, response, peer) => {
      assertOpen();
      const pod = await authenticate(token, peer);
      assertOpen();
      if (response.destroyed) return;
      const slot = streams.size % SLOTS;
      const stream: Stream = { pod, response, slot, told: '', unreadBeats: 0 };
      response.once('close', () => forget(stream));
      response.on('error', () => forget(stream));
      response.writeHead(200, HEADERS);
      add(stream);
      findOwners();
      tell(stream);
    },
    closePod: (podUid) => byPod.get(podUid)?.forEach((stream) => end(stream)),
    count: () => streams.size,
    drain: async (spreadMs) => {
      isDraining = true;
      const all = [...streams];
      for (const stream of all) {
        end(stream, GOODBYE);
        await wait(spreadMs / all.length);
      }
    },
    stop: () => {
      isDraining = true;
      clearInterval(timer);
      clearImmediate(finding);
      unsubscribe();
      for (const stream of streams) end(stream, GOODBYE);
    },
  };
};

/** The connection ends with the stream: nothing else is asked on it. */
const HEADERS = {
  'Content-Type': 'application/x-ndjson',
  'Cache-Control': 'no-store',
  Connection: 'close',
};

/** Who does not read is cut: what it missed, it is told whole when it comes again. */
const write = ({ response }: Stream, line: string): void => {
  if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
  else response.write(line);
};

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
