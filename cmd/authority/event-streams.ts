import type { ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';

import { HEARTBEAT_INTERVAL_MS, type StreamLine } from '../../lib/contract/authority-api.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { IssuingError } from '../../lib/exchange/token-refusal.ts';
import { isCompletionBy } from '../../lib/revocation/completion.ts';
import { createRunOwners, type RunOwners } from '../../lib/revocation/run-owners.ts';
import type { RevocationWatch } from './revocation-watch.ts';
import {
  endStream,
  createStreamRegistry,
  writeLine,
  type Stream,
  type StreamRegistry,
  type StreamPod,
} from './stream-registry.ts';

/** What sidecars are told while they listen. */
export type EventStreams = {
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

export type EventStreamsDeps = {
  /** @throws IdentityError */
  readonly authenticate: (token: string, peer: string) => Promise<StreamPod>;
  readonly revocations: Pick<RevocationWatch, 'index' | 'subscribe' | 'isCurrent'>;
  /** Whether the run is of the pod with this UID: an HMAC. */
  readonly belongsTo: (run: string, podUid: string) => boolean;
  /** See {@link RevocationWatchDeps.by}. */
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

const renderLine = (line: StreamLine): string => `${JSON.stringify(line)}\n`;
const HEARTBEAT = renderLine({ type: 'heartbeat' });
const RECONNECT = renderLine({ type: 'reconnect' });
const NOTHING_REVOKED = renderLine({ type: 'revocations', active: [] });

/** Opens them. One timer beats for all; a change is matched by lookup, not by a walk. */
export const createEventStreams = (edges: EventStreamsDeps): EventStreams => {
  const { authenticate, revocations, clock, onCount, maxStreams } = edges;
  const owners = createRunOwners(edges.belongsTo);
  const registry = createStreamRegistry({ onJoin: owners.join, onLeave: owners.leave });
  let isDraining = false;

  const sendRevocations = (stream: Stream): void => {
    const { pod } = stream;
    const own = owners.ownedBy(pod.podUid);
    const active = revocations.index().forPod(pod, clock.now(), own);
    const line =
      active.length === 0 ? NOTHING_REVOKED : renderLine({ type: 'revocations', active });
    if (line === stream.lastLine) return;
    stream.lastLine = line;
    writeLine(stream, line);
  };
  const removeStream = (stream: Stream): void => {
    registry.remove(stream);
    onCount(registry.all.size);
  };
  /** Whoever is told goodbye comes again at once, elsewhere; who is not comes when it will. */
  const closeStream = (stream: Stream, farewell = ''): void => {
    removeStream(stream);
    endStream(stream, farewell);
  };
  const beats = startHeartbeats(registry, (stream) => {
    const { pod, response } = stream;
    stream.unreadBeats = response.writableLength > 0 ? stream.unreadBeats + 1 : 0;
    if (!revocations.isCurrent()) closeStream(stream, RECONNECT);
    else if (clock.now() >= pod.tokenExpiresAt) closeStream(stream);
    else if (stream.unreadBeats >= MAX_UNREAD_BEATS) response.destroy();
    else writeLine(stream, HEARTBEAT);
  });
  const search = createOwnerSearch(owners, (podUid) =>
    registry.listByPod(podUid).forEach(sendRevocations),
  );
  const applyRevocations = (): void => {
    const { runRevocations } = revocations.index();
    owners.replace(runRevocations.filter((revocation) => !isCompletionBy(revocation, edges.by)));
    search.run();
    registry.all.forEach(sendRevocations);
  };
  const unsubscribe = revocations.subscribe(applyRevocations);
  applyRevocations();

  const assertOpen = (): void => {
    if (isDraining) throw new IssuingError('draining', 'this replica ends');
    if (!revocations.isCurrent()) {
      throw new IssuingError('revocations_unavailable', 'the revocations are not known');
    }
    if (registry.all.size >= maxStreams) throw new IssuingError('overloaded', 'too many streams');
  };

  return {
    serve: async (token, response, peer) => {
      assertOpen();
      const pod = await authenticate(token, peer);
      assertOpen();
      if (response.destroyed) return;
      const slot = registry.all.size % SLOTS;
      const stream: Stream = { pod, response, slot, lastLine: '', unreadBeats: 0 };
      response.once('close', () => removeStream(stream));
      response.on('error', () => removeStream(stream));
      response.writeHead(200, HEADERS);
      registry.add(stream);
      onCount(registry.all.size);
      for (const old of registry.listByPod(pod.podUid).slice(0, -MAX_PER_POD)) closeStream(old);
      search.run();
      sendRevocations(stream);
    },
    count: () => registry.all.size,
    drain: async (spreadMs) => {
      isDraining = true;
      const all = [...registry.all];
      for (const stream of all) {
        closeStream(stream, RECONNECT);
        await wait(spreadMs / all.length);
      }
    },
    stop: () => {
      isDraining = true;
      beats.stop();
      search.stop();
      unsubscribe();
      for (const stream of registry.all) closeStream(stream, RECONNECT);
    },
  };
};

/** Beats each stream once in {@link HEARTBEAT_INTERVAL_MS}, a tenth of them at a time. */
const startHeartbeats = ({ all }: StreamRegistry, beat: (stream: Stream) => void) => {
  let turn = 0;
  const timer = setInterval(() => {
    turn = (turn + 1) % SLOTS;
    for (const stream of all) if (stream.slot === turn) beat(stream);
  }, HEARTBEAT_INTERVAL_MS / SLOTS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
};

/** Finds the owners of revoked runs: a portion at once, the rest in turns that others are served in. */
const createOwnerSearch = ({ advance }: RunOwners, onGain: (podUid: string) => void) => {
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
