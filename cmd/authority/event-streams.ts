import type { ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';

import { HEARTBEAT_INTERVAL_MS, type StreamLine } from '../../lib/contract/authority-api.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { RequestError } from '../../lib/exchange/token-refusal.ts';
import type { StreamPod } from '../../lib/exchange/stream-authentication.ts';
import { isCompletionBy } from '../../lib/revocation/completion.ts';
import { createRunOwners, type RunOwners } from '../../lib/revocation/run-owners.ts';
import type { CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import type { TaskPolicies } from './task-policies.ts';
import type { RevocationWatch } from './revocation-watch.ts';
import {
  endStream,
  createStreamRegistry,
  writeLine,
  type Stream,
  type StreamRegistry,
} from './stream-registry.ts';

/** The event streams to sidecars. */
export type EventStreams = {
  /**
   * Responds with a stream of {@link StreamLine}: the current revocations, each change that affects
   * the pod or a run that it follows, the version of the policies, and heartbeats. Resolves after the first line is written.
   *
   * @throws what `authenticate` throws; RequestError `revocations_unavailable`, `overloaded`,
   *   `draining`. Nothing was written to the response in that case
   */
  readonly serve: (
    token: string,
    response: ServerResponse,
    from: { readonly peer: string; readonly followed: readonly string[] },
  ) => Promise<void>;
  readonly count: () => number;
  /** Asks all clients to reconnect, spread over `spreadMs`, and accepts no more streams. */
  readonly drain: (spreadMs: number) => Promise<void>;
  /** Ends all streams immediately. */
  readonly stop: () => void;
};

export type EventStreamsDeps = {
  /** @throws IdentityError */
  readonly authenticate: (token: string, peer: string) => Promise<StreamPod>;
  readonly revocations: Pick<RevocationWatch, 'index' | 'subscribe' | 'isCurrent'>;
  readonly policies: Pick<TaskPolicies<CompiledPolicies>, 'getVersion' | 'subscribe'>;
  /** Whether the run belongs to the pod with this UID; computes an HMAC. */
  readonly belongsTo: (run: string, podUid: string) => boolean;
  /** See {@link RevocationWatchDeps.by}. */
  readonly by: string;
  readonly clock: Pick<Clock, 'now'>;
  readonly onCount: (count: number) => void;
  /** Of all pods; each uses a connection. */
  readonly maxStreams: number;
};

/** A sidecar that reconnects may briefly have two streams. */
const MAX_PER_POD = 2;
/** Heartbeats are spread over time, so that they are not all written at once. */
const SLOTS = 10;
/** HMACs without a pause; takes a few milliseconds. */
const TRIALS = 256;
/** Consecutive heartbeats while the client has not read the previous one. */
const MAX_UNREAD_BEATS = 2;

const renderLine = (line: StreamLine): string => `${JSON.stringify(line)}\n`;
const HEARTBEAT = renderLine({ type: 'heartbeat' });
const RECONNECT = renderLine({ type: 'reconnect' });
const NOTHING_REVOKED = renderLine({ type: 'revocations', active: [] });

/** Creates the streams. One timer sends all heartbeats; changes are matched by lookup. */
export const createEventStreams = (deps: EventStreamsDeps): EventStreams => {
  const { authenticate, revocations, clock, onCount, maxStreams } = deps;
  const owners = createRunOwners(deps.belongsTo);
  const registry = createStreamRegistry({ onJoin: owners.join, onLeave: owners.leave });
  let isDraining = false;

  const { sendRevocations, sendPolicies } = createSenders(deps, owners);
  const removeStream = (stream: Stream): void => {
    registry.remove(stream);
    onCount(registry.all.size);
  };
  /** After {@link RECONNECT} a client reconnects immediately, to another replica. */
  const closeStream = (stream: Stream, lastLine = ''): void => {
    removeStream(stream);
    endStream(stream, lastLine);
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
    owners.replace(runRevocations.filter((revocation) => !isCompletionBy(revocation, deps.by)));
    search.run();
    registry.all.forEach(sendRevocations);
  };
  const unsubscribePolicies = deps.policies.subscribe(() => registry.all.forEach(sendPolicies));
  const unsubscribe = revocations.subscribe(applyRevocations);
  applyRevocations();

  const assertOpen = (): void => {
    if (isDraining) throw new RequestError('draining', 'this replica is shutting down');
    if (!revocations.isCurrent()) {
      throw new RequestError('revocations_unavailable', 'the revocations are not loaded, or stale');
    }
    if (registry.all.size >= maxStreams)
      throw new RequestError('overloaded', 'too many event streams');
  };

  return {
    serve: async (token, response, { peer, followed }) => {
      assertOpen();
      const pod = await authenticate(token, peer);
      assertOpen();
      if (response.destroyed) return;
      const slot = registry.all.size % SLOTS;
      const stream: Stream = { pod, response, slot, followed, lastLine: '', unreadBeats: 0 };
      response.once('close', () => removeStream(stream));
      response.on('error', () => removeStream(stream));
      response.writeHead(200, HEADERS);
      registry.add(stream);
      onCount(registry.all.size);
      for (const old of registry.listByPod(pod.podUid).slice(0, -MAX_PER_POD)) closeStream(old);
      search.run();
      sendRevocations(stream);
      // While the stream was closed, policies may have changed.
      sendPolicies(stream);
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
      unsubscribePolicies();
      for (const stream of registry.all) closeStream(stream, RECONNECT);
    },
  };
};

/** Creates what writes the state to a stream. */
const createSenders = ({ revocations, policies, clock }: EventStreamsDeps, owners: RunOwners) => ({
  /** Nothing if the stream has these revocations already. */
  sendRevocations: (stream: Stream): void => {
    const { pod, followed } = stream;
    const own = owners.ownedBy(pod.podUid);
    const active = revocations.index().forPod(pod, clock.now(), { own, followed });
    const line =
      active.length === 0 ? NOTHING_REVOKED : renderLine({ type: 'revocations', active });
    if (line === stream.lastLine) return;
    stream.lastLine = line;
    writeLine(stream, line);
  },
  sendPolicies: (stream: Stream): void => {
    const version = policies.getVersion();
    if (version !== undefined) writeLine(stream, renderLine({ type: 'policies', version }));
  },
});

/** Sends each stream a heartbeat every {@link HEARTBEAT_INTERVAL_MS}, a tenth of them at a time. */
const startHeartbeats = ({ all }: StreamRegistry, beat: (stream: Stream) => void) => {
  let turn = 0;
  const timer = setInterval(() => {
    turn = (turn + 1) % SLOTS;
    for (const stream of all) if (stream.slot === turn) beat(stream);
  }, HEARTBEAT_INTERVAL_MS / SLOTS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
};

/** Finds the owners of revoked runs in portions, so that requests are served in between. */
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

/** The connection is closed after the stream. */
const HEADERS = {
  'Content-Type': 'application/x-ndjson',
  'Cache-Control': 'no-store',
  Connection: 'close',
};
