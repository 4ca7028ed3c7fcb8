import { randomUUID } from 'node:crypto';

import type { Recorder } from '../../lib/audit/record.ts';
import { openCatalogue } from '../../lib/catalogue/catalogue.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import { openRunIds, type RunIds } from '../../lib/grant/run-ids.ts';
import type { Claimant, VerifyToken } from '../../lib/issuing/caller.ts';
import { openFloodLimits, type FloodLimits } from '../../lib/issuing/flood-limits.ts';
import { recordedRefusal } from '../../lib/issuing/recorded-refusal.ts';
import { boundRefusals } from '../../lib/issuing/refusal-bounds.ts';
import type { Refusal } from '../../lib/issuing/refusal.ts';
import { openPolicies, type CompiledPolicies } from '../../lib/policy/policies.ts';
import { decide } from '../../lib/policy/run-decision.ts';
import type { Cluster } from './cluster.ts';
import { openCollection } from './collection.ts';
import type { AuthorityConfig } from './config.ts';
import { openEnding } from './ending.ts';
import { errorFields } from './error-fields.ts';
import type { OnFailure } from './failures.ts';
import { openIdentity, type Identity } from './identity.ts';
import { openIssuer, type Issuer } from './issuer.ts';
import { openTaskPolicies, type TaskPolicies } from './policies.ts';
import { watchPublishedProfiles, type Profiles } from './profiles.ts';
import { openRevocations, type Revocations } from './revocations.ts';
import type { RouteParts } from './routes.ts';
import type { Foundation } from './startup.ts';
import type { StreamPod } from './stream-book.ts';
import { openStreams, type Streams } from './streams.ts';

/** Every room of the authority, open, and bound to each other. */
export type Rooms = {
  readonly keys: Issuer['keys'];
  readonly identity: Identity;
  readonly profiles: Profiles;
  readonly policies: TaskPolicies<CompiledPolicies>;
  readonly revocations: Revocations;
  readonly streams: Streams;
  readonly routes: Omit<RouteParts, 'authority' | 'metrics' | 'log' | 'clock'>;
  readonly stop: () => void;
};

export type RoomEdges = {
  readonly cluster: Cluster;
  readonly foundation: Foundation;
  readonly metrics: AuthorityMetrics;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly pace: { readonly keysMs: number };
};

/** Of all connections; the rest is for runs. */
const STREAM_SHARE = 0.75;

export const openRooms = (config: AuthorityConfig, edges: RoomEdges): Rooms => {
  const { cluster, foundation, metrics, log, clock, random } = edges;
  const { ownName: by, audit, auditKeys } = foundation;
  const { authority, tasks } = config.platform;
  const onFailure: OnFailure = (message, error) => {
    metrics.roundFailed('other');
    log.warn(message, errorFields(error));
  };
  const shared = { record: audit.record, clock, random, onFailure };
  const loadCatalogue = openCatalogue();
  const profiles = watchPublishedProfiles(cluster.watchProfiles, { clock, random, log });
  const identity = openIdentity(config, {
    ...{ cluster: cluster.identity, profiles, loadCatalogue, clock, random, log },
  });
  const policies = openTaskPolicies({
    ...shared,
    watch: cluster.watchPolicies,
    compile: openPolicies,
    writeStatus: cluster.policies.writeStatus,
    staleAfterSeconds: authority.policyStaleAfterSeconds,
    onCount: metrics.policiesKnown,
  });
  const revocations = openRevocations({
    ...{ ...shared, by },
    watch: cluster.watchRevocations,
    onCount: metrics.revocationsKnown,
  });
  const issuer = openIssuer(config, { ...edges, ...shared });
  const ending = openEnding(config, { ...edges, ...shared, by, revocations, issuer });
  const collection = openCollection({
    ...{ ...shared, by, revocations },
    remove: cluster.revocations.remove,
    readPodUid: podUidsOf(cluster),
    collectLeases: identity.collectLeases,
    lifetimeCeilingSeconds: tasks.lifetimeCeilingSeconds,
  });
  const floods = openFloodLimits(ratesOf(config), clock);
  const verify = floods.bounded(identity.verify);
  const runIds = openRunIds(auditKeys.runs);
  const recordRefusal = boundRefusals(audit.record, clock);
  const streams = openStreams({
    ...{ revocations, by, clock },
    authenticate: streamPods(verify, floods, { recordRefusal, now: clock.now }),
    belongsTo: runIds.belongsTo,
    onCount: metrics.streamsOpen,
    maxStreams: Math.floor(config.connections * STREAM_SHARE),
  });
  const decideRun: RouteParts['issuing']['decide'] = async (question, claimant) => {
    const admit = (pairs: number): void => floods.charge(claimant, pairs);
    return decide({ policies: policies.current(), loadCatalogue, admit }, question);
  };
  const parts = { verify, runIds, decide: decideRun, identity, revocations, issuer, recordRefusal };
  const issuing = issuingParts(config, edges, { ...parts, floods, onFailure });
  const { now } = clock;
  const { tellEnded } = ending;
  return {
    ...{ keys: issuer.keys, identity, profiles, policies, revocations, streams },
    routes: {
      issuing,
      ending: {
        ...{ verify, admit: floods.admit, record: audit.record, tellEnded, now },
        belongsTo: runIds.belongsTo,
      },
      ...{ streams, floods, jwks: issuer.publicJwks, onBug: issuing.onBug },
    },
    stop: () => {
      const open = [streams, collection, ending, issuer, revocations, policies, identity, profiles];
      for (const room of open) room.stop();
    },
  };
};

const issuingParts = (
  { platform }: AuthorityConfig,
  { cluster, foundation, log, clock }: RoomEdges,
  rooms: {
    readonly verify: VerifyToken;
    readonly floods: FloodLimits;
    readonly runIds: RunIds;
    readonly decide: RouteParts['issuing']['decide'];
    readonly identity: Identity;
    readonly revocations: Revocations;
    readonly issuer: Issuer;
    readonly recordRefusal: Recorder;
    readonly onFailure: OnFailure;
  },
): RouteParts['issuing'] => ({
  verify: rooms.verify,
  admit: rooms.floods.admit,
  spend: rooms.identity.spend,
  findRevocation: rooms.revocations.find,
  decide: rooms.decide,
  bind: platform.cloud.bind.mode,
  newRun: rooms.runIds.newRun,
  trade: rooms.issuer.cloud.trade,
  record: foundation.audit.record,
  recordRefusal: rooms.recordRefusal,
  tellPod: (claimant, refusal, task) => {
    const failed = (error: unknown) => rooms.onFailure('refusal not told to its pod', error);
    cluster.tellPod(eventOf(claimant, refusal, task)).catch(failed);
  },
  onBug: (error) => {
    const id = randomUUID();
    log.error('bug', { id, ...errorFields(error) });
    return id;
  },
  now: clock.now,
});

const eventOf = ({ namespace, pod }: Claimant, { code, message }: Refusal, task?: string) => {
  const what = task === undefined ? '' : `task ${task}: `;
  return { namespace, pod, reason: 'RunRefused', message: `${what}${code}: ${message}` };
};

const ratesOf = (config: AuthorityConfig) => ({
  peer: config.peerRate,
  pod: config.podRate,
  serviceAccount: config.serviceAccountRate,
  namespace: config.namespaceRate,
  verifications: config.verifications,
});

/** Who listens is held to the same as who starts a run, and a refusal is on record as well. */
const streamPods =
  (
    verify: VerifyToken,
    { admit }: Pick<FloodLimits, 'admit'>,
    parts: Parameters<typeof recordedRefusal>[2],
  ) =>
  async (token: string, peer: string): Promise<StreamPod> => {
    const known: { claimant?: Claimant } = {};
    try {
      const { claimant, identify } = await verify(token, peer);
      known.claimant = claimant;
      admit(claimant);
      const { namespace, serviceAccount, pod, tokenExpiresAt } = await identify();
      return { namespace, serviceAccount, pod: pod.name, podUid: pod.uid, tokenExpiresAt };
    } catch (error) {
      throw await recordedRefusal(error, { kind: 'stream.refused', ...known }, parts);
    }
  };

const podUidsOf =
  ({ identity }: Pick<Cluster, 'identity'>) =>
  async (place: { namespace: string; name: string }): Promise<string | undefined> => {
    const pod = await identity.readPod(place);
    return (pod as { readonly metadata?: { readonly uid?: string } } | undefined)?.metadata?.uid;
  };
