import { randomUUID } from 'node:crypto';

import type { AuditEvent, Recorder } from '../../lib/audit/audit-event.ts';
import { computeFullJitterMs } from '../../lib/async/backoff.ts';
import { createLruCache } from '../../lib/async/lru-cache.ts';
import { createShares } from '../../lib/async/shares.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { AuthoritySettings } from '../../lib/contract/platform.ts';
import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import { buildRunMembers } from '../../lib/exchange/exchange-records.ts';
import type { RunEndDeps } from '../../lib/exchange/run-end-request.ts';
import { RequestError } from '../../lib/exchange/token-refusal.ts';
import type { TokenExchangeDeps } from '../../lib/exchange/token-exchange.ts';
import { buildServerClaims } from '../../lib/grant/claims.ts';
import type { Signer } from '../../lib/grant/signer.ts';
import { LoggableError } from '../../lib/schema/loggable-error.ts';
import type { Release, ReleaseSeals } from '../../lib/upstreams/release-seal.ts';
import { SecretError, type SecretRequest } from '../../lib/upstreams/secret-fetcher.ts';
import type { HttpUpstream } from '../../lib/upstreams/upstream.ts';
import type { OnFailure } from './failures.ts';
import { findRevocationServer, type SecretSources } from './secret-sources.ts';

export type SecretReleases = Pick<RunEndDeps, 'readRelease'> &
  Pick<TokenExchangeDeps, 'discardIssued'> & {
    /** Resolves when no revocation is in progress, or after so long. */
    readonly finish: (withinMs: number) => Promise<void>;
  };

export type SecretReleaseDeps = {
  readonly open: ReleaseSeals['open'];
  /** The Upstream as it is now. */
  readonly findUpstream: (name: string) => HttpUpstream | undefined;
  readonly sources: Pick<SecretSources, 'revoke'>;
  readonly sign: Signer;
  readonly authority: Pick<AuthoritySettings, 'issuer' | 'trustDomain' | 'tagParams'>;
  readonly record: Recorder;
  readonly metrics: Pick<AuthorityMetrics, 'secretRevoked'>;
  readonly onFailure: OnFailure;
  readonly clock: Pick<Clock, 'now'>;
  readonly random: () => number;
  readonly pause: (ms: number) => Promise<void>;
};

type Holder = Parameters<RunEndDeps['readRelease']>[1];

/** About a minute in all. After that the secret lasts until it expires at its source. */
const MAX_ATTEMPTS = 8;
const BACKOFF = { firstMs: 500, maxMs: 15_000 };
/** More at once, and the source would rather be protected from us. A slow source of one namespace delays no other. */
const MAX_IN_PROGRESS = { perPool: 512, perOwner: 64 };
/** Reports are repeated when their answer was lost. */
const MAX_REMEMBERED = 4096;

/**
 * Creates what revokes the secrets of ended runs at their sources, after the answer to the report, because
 * the pod that reports may be about to end. A revocation that fails is recorded and counted.
 */
export const createSecretReleases = (deps: SecretReleaseDeps): SecretReleases => {
  const inProgress = new Set<Promise<void>>();
  const accepted = createLruCache<true>(MAX_REMEMBERED);

  const take = createShares(MAX_IN_PROGRESS);

  /** What is refused is not remembered: the sidecar reports again. */
  const start = (sealed: string, release: Release, holder: Holder): void => {
    if (accepted.get(sealed) === true) return;
    const giveBack = take({ pool: 'releases', owner: holder.caller.namespace });
    if (giveBack === undefined) {
      const message = `upstream ${release.upstream}: expected fewer secrets of namespace ${holder.caller.namespace} to be revoked at the same time`;
      throw new RequestError('secret_unavailable', message);
    }
    accepted.set(sealed, true);
    follow(revokeWithRetries(release, holder, deps).finally(giveBack));
  };
  const follow = (going: Promise<void>): void => {
    const done = going.finally(() => inProgress.delete(done));
    inProgress.add(done);
  };

  const readRelease: SecretReleases['readRelease'] = (sealed, holder) => {
    const release = deps.open(holder.run, sealed);
    return release && (() => start(sealed, release, holder));
  };

  /** The sidecar does not know of it, so that no repeat comes. */
  const startOrReport = (sealed: string, holder: Holder): void => {
    const release = deps.open(holder.run, sealed);
    if (release === undefined) return;
    try {
      start(sealed, release, holder);
    } catch (error) {
      follow(reportFailure(error, { release, holder }, deps));
    }
  };

  return {
    readRelease,
    discardIssued: (issued, caller) => {
      if (!('secret' in issued) || issued.release === undefined) return;
      startOrReport(issued.release, { run: issued.run, caller });
    },
    finish: async (withinMs) => {
      await Promise.race([Promise.all([...inProgress]), deps.pause(withinMs)]);
    },
  };
};

/** Never rejects. */
const revokeWithRetries = async (
  release: Release,
  holder: Holder,
  deps: SecretReleaseDeps,
): Promise<void> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const upstream = requireUpstream(release, deps);
      await deps.sources.revoke(upstream, release.revocation, createGrants(release, holder, deps));
      deps.metrics.secretRevoked('revoked');
      return;
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || isFinal(error)) {
        await reportFailure(error, { release, holder }, deps);
        return;
      }
      await deps.pause(computeFullJitterMs(attempt, { ...BACKOFF, random: deps.random }));
    }
  }
};

const isFinal = (error: unknown): boolean =>
  error instanceof SecretError && error.code !== 'secret_unavailable';

/** A token must not be sent to a server that was configured after it was issued. */
const requireUpstream = (
  { upstream: name, server }: Release,
  { findUpstream }: SecretReleaseDeps,
): HttpUpstream => {
  const upstream = findUpstream(name);
  const source = upstream?.access?.secret;
  if (upstream !== undefined && source !== undefined && findRevocationServer(source) === server) {
    return upstream;
  }
  const message = `upstream ${name}: expected it to exist and to name ${server}, as when the run began`;
  throw new SecretError('provider_refused', message);
};

/** Another `jti` for each grant: servers accept a client's assertion once. */
const createGrants =
  (
    { task }: Release,
    { run, caller: { namespace, serviceAccount } }: Holder,
    { sign, authority, clock }: SecretReleaseDeps,
  ): SecretRequest['signGrant'] =>
  (audience) =>
    sign(
      buildServerClaims(
        { namespace, serviceAccount, task, run, params: {} },
        { audience, id: `${run}.${randomUUID()}`, now: clock.now() },
        authority,
      ),
    );

const reportFailure = async (
  error: unknown,
  { release, holder }: { release: Release; holder: Holder },
  { metrics, record, onFailure, clock }: SecretReleaseDeps,
): Promise<void> => {
  metrics.secretRevoked('failed');
  const isKnown = error instanceof SecretError || error instanceof RequestError;
  const event: AuditEvent = {
    kind: 'secret.revocation_failed',
    at: clock.now(),
    ...buildRunMembers(holder.caller, holder.claims),
    run: holder.run,
    task: release.task,
    reason: isKnown ? error.code : 'internal_error',
    ...(isKnown && { message: error.message }),
  };
  const message = `upstream ${release.upstream}, run ${holder.run}: ${isKnown ? error.message : 'internal error'}`;
  onFailure('secret not revoked at the end of its run', new LoggableError(message));
  await record(event).catch((failure: unknown) => onFailure('record not written', failure));
};
