import type { ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';

import { HEARTBEAT_MS, type StreamLine } from '../../lib/contract/authority.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { IssuingError } from '../../lib/issuing/refusal.ts';
import { isCompletionBy } from '../../lib/revocation/completion.ts';
import { openRunOwners, type RunOwners } from '../../lib/revocation/run-owners.ts';
import type { Revocations } from './revocations.ts';
import {
  finish,
  openStreamBook,
  writeTo,
  type Stream,
  type StreamBook,
  type StreamPod,
} from './stream-book.ts';

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
  readonly count: () => number;
  /** Says goodbye to all of them, spread over `spreadMs`, and takes no more. */
  readonly drain: (spreadMs: number) => Promise<void>;
  /** Ends all of them at once. */
  readonly stop: () => void;
};

export type StreamsEdges = {
  /** @throws IdentityError */
  readonly authenticate: (token: string, peer: string) => Promise<StreamPod>;
  readonly revocations: Pick<Revocations, 'index' | 'subscribe' | 'isCurrent'>;
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

const render = (line: StreamLine): string => `${JSON.stringify(line)}\n`;
const HEARTBEAT = render({ type: 'heartbeat' });
const GOODBYE = render({ type: 'goodbye' });
const NOTHING_REVOKED = render({ type: 'revocations', active: [] });

/** Opens them. One timer beats for all; a change is matched by lookup, not by a walk. */
export const openStreams = (edges: StreamsEdges): Streams => {
  const { authenticate, revocations, clock, onCount, maxStreams } = edges;
  const owners = openRunOwners(edges.belongsTo);
  const book = openStreamBook({ onJoin: owners.join, onLeave: owners.leave });
  let isDraining = false;

  const tell = (stream: Stream): void => {
    const { pod } = stream;
    const own = owners.ownedBy(pod.podUid);
    const active = revocations.index().forPod(pod, clock.now(), own);
    const line = active.length === 0 ? NOTHING_REVOKED : render({ type: 'revocations', active });
    if (line === stream.told) return;
    stream.told = line;
    writeTo(stream, line);
  };
  const forget = (stream: Stream): void => {
    book.remove(stream);
    onCount(book.all.size);
  };
  /** Whoever is told goodbye comes again at once, elsewhere; who is not comes when it will. */
  const end = (stream: Stream, farewell = ''): void => {
    forget(stream);
    finish(stream, farewell);
  };
  const beats = openBeats(book, (stream) => {
    const { pod, response } = stream;
    stream.unreadBeats = response.writableLength > 0 ? stream.unreadBeats + 1 : 0;
    if (!revocations.isCurrent()) end(stream, GOODBYE);
    else if (clock.now() >= pod.tokenExpiresAt) end(stream);
    else if (stream.unreadBeats >= MAX_UNREAD_BEATS) response.destroy();
    else writeTo(stream, HEARTBEAT);
  });
  const search = openSearch(owners, (podUid) => book.ofPod(podUid).forEach(tell));
  const follow = (): void => {
    const { ofRuns } = revocations.index();
    owners.replace(ofRuns.filter((revocation) => !isCompletionBy(revocation, edges.by)));
    search.run();
    book.all.forEach(tell);
  };
  const unsubscribe = revocations.subscribe(follow);
  follow();

  const assertOpen = (): void => {
    if (isDraining) throw new IssuingError('draining', 'this replica ends');
    if (!revocations.isCurrent()) {
      throw new IssuingError('revocations_unavailable', 'the revocations are not known');
    }
    if (book.all.size >= maxStreams) throw new IssuingError('overloaded', 'too many streams');
  };

  return {
    serve: async (token, response, peer) => {
      assertOpen();
      const pod = await authenticate(token, peer);
      assertOpen();
      if (response.destroyed) return;
      const slot = book.all.size % SLOTS;
      const stream: Stream = { pod, response, slot, told: '', unreadBeats: 0 };
      response.once('close', () => forget(stream));
      response.on('error', () => forget(stream));
      response.writeHead(200, HEADERS);
      book.add(stream);
      onCount(book.all.size);
      for (const old of book.ofPod(pod.podUid).slice(0, -MAX_PER_POD)) end(old);
      search.run();
      tell(stream);
    },
    count: () => book.all.size,
    drain: async (spreadMs) => {
      isDraining = true;
      const all = [...book.all];
      for (const stream of all) {
        end(stream, GOODBYE);
        await wait(spreadMs / all.length);
      }
    },
    stop: () => {
      isDraining = true;
      beats.stop();
      search.stop();
      unsubscribe();
      for (const stream of book.all) end(stream, GOODBYE);
    },
  };
};

/** Beats each stream once in {@link HEARTBEAT_MS}, a tenth of them at a time. */
const openBeats = ({ all }: StreamBook, beat: (stream: Stream) => void) => {
  let turn = 0;
  const timer = setInterval(() => {
    turn = (turn + 1) % SLOTS;
    for (const stream of all) if (stream.slot === turn) beat(stream);
  }, HEARTBEAT_MS / SLOTS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
};

/** Finds the owners of revoked runs: a portion at once, the rest in turns that others are served in. */
const openSearch = ({ advance }: RunOwners, onGain: (podUid: string) => void) => {
  let next: NodeJS.Immediate | undefined;
  const run = (): void => {
    const { gained, isDone } = advance(TRIALS);
    gained.forEach(onGain);
    if (!isDone) next ??= setImmediate(more);
  };
  const more = (): void => {
    next = undefined;
    run();
  };
  return { run, stop: () => clearImmediate(next) };
};

/** The connection ends with the stream: nothing else is asked on it. */
const HEADERS = {
  'Content-Type': 'application/x-ndjson',
  'Cache-Control': 'no-store',
  Connection: 'close',
};
