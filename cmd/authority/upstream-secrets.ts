import { createShares, type TakeShare } from '../../lib/async/shares.ts';
import type { AuthoritySettings } from '../../lib/contract/platform.ts';
import type { Task } from '../../lib/contract/task.ts';
import { UPSTREAM_LEVELS, type UpstreamLevel } from '../../lib/contract/upstream.ts';
import {
  computeDeadline,
  type AuthorizedRun,
  type IssueCredentials,
} from '../../lib/exchange/authorized-run.ts';
import { RequestError } from '../../lib/exchange/token-refusal.ts';
import { buildServerClaims } from '../../lib/grant/claims.ts';
import type { Signer } from '../../lib/grant/signer.ts';
import { expandUpstreamPairs } from '../../lib/policy/upstream-pairs.ts';
import { buildSessionName } from '../../lib/scope/aws/session-name.ts';
import { bindResource } from '../../lib/task/resource.ts';
import { buildHttpSecret } from '../../lib/upstreams/presentation.ts';
import type { ReleaseSeals } from '../../lib/upstreams/release-seal.ts';
import {
  SecretError,
  type FetchedSecret,
  type SecretRequest,
} from '../../lib/upstreams/secret-fetcher.ts';
import { requireUpstreamKind, type HttpUpstream } from '../../lib/upstreams/upstream.ts';
import { findRevocationServer, type SecretSources } from './secret-sources.ts';

export type HttpIssueDeps = {
  readonly sources: Pick<SecretSources, 'fetch'>;
  readonly seal: ReleaseSeals['seal'];
  readonly sign: Signer;
  readonly authority: Pick<AuthoritySettings, 'issuer' | 'trustDomain' | 'tagParams'>;
  /** Wall-clock milliseconds. */
  readonly now: () => number;
};

/** Of each Upstream and replica, and of each namespace in it. */
const MAX_CONCURRENT = { perPool: 64, perOwner: 32 };

/**
 * Creates the function that fetches the secret of an Upstream for one run and renders the headers that
 * present it. Nothing is kept: what revokes the secret goes to the sidecar, sealed.
 *
 * @returns throws RequestError, ExchangeError
 */
export const createHttpIssue = (deps: HttpIssueDeps): IssueCredentials => {
  const take = createShares(MAX_CONCURRENT);
  return async (authorized) => {
    const { run, task, workload } = authorized;
    const upstream = requireUpstreamKind(authorized.upstream, 'http');
    // Before the fetch: what the source issues then lasts at least until the deadline.
    const deadline = computeDeadline(authorized, deps.now());
    const request = buildSecretRequest(upstream, authorized, deps);
    const fetched = await fetchWithin(take, { upstream, workload }, () =>
      deps.sources.fetch(upstream, request),
    ).catch(toRequestError);
    const release = sealRelease({ run, task: task.name, upstream, fetched }, deps);
    return {
      run,
      secret: buildHttpSecret(upstream, fetched?.secret),
      deadline,
      skewMs: 0,
      ...(release !== undefined && { release }),
      sessionName: buildSessionName({ podName: workload.pod.name, run }),
    };
  };
};

/** A source that does not answer must not hold the connections of all sidecars. */
const fetchWithin = async <T>(
  take: TakeShare,
  { upstream: { name }, workload }: { upstream: HttpUpstream; workload: { namespace: string } },
  fetch: () => Promise<T>,
): Promise<T> => {
  const giveBack = take({ pool: name, owner: workload.namespace });
  if (giveBack !== undefined) return fetch().finally(giveBack);
  const message = `upstream ${name}: expected fewer runs that start at the same time`;
  throw new SecretError('secret_unavailable', message);
};
const buildSecretRequest = (
  upstream: HttpUpstream,
  { run, task, params, workload: { namespace, serviceAccount } }: AuthorizedRun,
  { sign, authority, now }: HttpIssueDeps,
): SecretRequest => ({
  origin: new URL(upstream.rules.url).origin,
  level: findHighestLevel(upstream, task),
  resources: task.allow.flatMap(({ resources }) =>
    resources.map((resource) => bindResource(resource, params)),
  ),
  params,
  lifetimeSeconds: task.lifetimeSeconds,
  signGrant: (audience) => {
    const granted = { namespace, serviceAccount, task: task.name, run, params };
    return sign(buildServerClaims(granted, { audience, now: now() }, authority));
  },
});

/** Policy has evaluated the same pairs; a task without one gets what the lowest level may. */
const findHighestLevel = (upstream: HttpUpstream, task: Task): UpstreamLevel => {
  const pairs = expandUpstreamPairs(task, upstream);
  const levels = pairs.ok ? pairs.value.flatMap(({ action }) => action.accessLevels) : [];
  return UPSTREAM_LEVELS.findLast((level) => levels.includes(level)) ?? 'Read';
};

const sealRelease = (
  {
    run,
    task,
    upstream: { name, access },
    fetched,
  }: {
    run: string;
    task: string;
    upstream: HttpUpstream;
    fetched: FetchedSecret | undefined;
  },
  { seal }: HttpIssueDeps,
): string | undefined => {
  const server = access && findRevocationServer(access.secret);
  return fetched?.revocation === undefined || server === undefined
    ? undefined
    : seal(run, { upstream: name, task, server, revocation: fetched.revocation });
};

const toRequestError = (thrown: unknown): never => {
  if (!(thrown instanceof SecretError)) throw thrown;
  throw new RequestError(thrown.code, thrown.message, { cause: thrown });
};
