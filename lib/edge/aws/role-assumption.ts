import { createHash } from 'node:crypto';

import type { AuthoritySettings, CloudSettings } from '../../contract/platform.ts';
import { ExchangeError, type CloudCredentials } from '../../contract/exchange.ts';
import { buildGrantClaims, buildAuthorityClaims, type GrantClaims } from '../../grant/claims.ts';
import { JWKS_FRESH_MS } from '../../grant/grant-times.ts';
import type { Signer } from '../../grant/signer.ts';
import type { IssueCredentials } from '../../exchange/authorized-run.ts';
import { buildSessionName } from '../../scope/aws/session-name.ts';
import { buildSessionPolicy } from '../../scope/aws/session-policy.ts';
import { CloudRequestError } from './cloud-request-error.ts';
import { assumeForRun, type AssumeRoleRequest, type AssumeRoleDeps } from './sts-retry.ts';
import { classifyStsError } from './sts-errors.ts';

export type RoleAssumptionDeps = AssumeRoleDeps & {
  readonly sign: Signer;
  /** Reads the signing keys again, because the cloud may already have newer ones. */
  readonly refreshKeys: () => Promise<unknown>;
  readonly cloud: Pick<CloudSettings, 'dialect' | 'sourceRestriction'>;
  readonly authority: Pick<
    AuthoritySettings,
    'issuer' | 'trustDomain' | 'cloudAudience' | 'tagParams'
  >;
};

/**
 * Milliseconds within which calls of STS start. One more takes five seconds at most, and the sidecar waits ten for
 * the answer: credentials after that would be for no one, and it asks again.
 */
export const AUTHORITY_RETRY_BUDGET_MS = 4_000;

/**
 * Creates the function that signs a grant for one run and exchanges it, with the session policy, for
 * the run's credentials. The grant is sent only to the cloud. Each attempt signs a new grant.
 *
 * @throws ExchangeError from the returned function; `unavailable`, `grant_not_accepted` if the cloud
 *   does not know the signing key, which says nothing about the caller
 */
export const createRoleAssumption =
  (deps: RoleAssumptionDeps): IssueCredentials =>
  async ({ workload, task, params, run, user, delegation }) => {
    const { namespace, serviceAccount, pod } = workload;
    const acting = { namespace, serviceAccount, ...(user === undefined ? {} : { user }) };
    const granted = { ...acting, task: task.name, params, run };
    const name = buildSessionName({ podName: pod.name, run });
    const inTime = { ...deps, budgetMs: AUTHORITY_RETRY_BUDGET_MS };
    const { issued, policy = '' } = await assumeRoleWithGrant(inTime, {
      run,
      role: task.role,
      lifetimeSeconds: task.lifetimeSeconds,
      ...(delegation !== undefined && { notAfter: delegation.notAfter }),
      sessionName: name,
      claims: (now) => buildGrantClaims(granted, deps.authority, now),
      sessionPolicy: (deadline) =>
        buildSessionPolicy({ task, params, deadline, cloud: deps.cloud, podIps: pod.ips }),
      signal: new AbortController().signal,
    });
    return { ...issued, sessionName: name, policySha256: digestSha256(policy) };
  };

/** One of the authority's own roles. */
export type OwnRole = { readonly name: 'revoker' | 'publisher'; readonly role: string };

export type OwnCredentials = {
  readonly keys: CloudCredentials;
  /** Milliseconds since the epoch, by the cloud's clock. */
  readonly expiresAt: number;
};

/** The shortest session that STS issues. */
const OWN_SESSION_SECONDS = 900;

/** Creates the function that signs a grant of the authority itself and assumes one of its two roles. */
export const createOwnRoleAssumption =
  (deps: RoleAssumptionDeps) =>
  async (
    { name, role }: OwnRole,
    signal = new AbortController().signal,
  ): Promise<OwnCredentials> => {
    const { issued, expiration } = await assumeRoleWithGrant(deps, {
      run: name,
      role,
      lifetimeSeconds: OWN_SESSION_SECONDS,
      sessionName: `authority-${name}`,
      claims: (now) => buildAuthorityClaims({ id: `${name}-${now}`, now }, deps.authority),
      sessionPolicy: () => undefined,
      signal,
    });
    return { keys: issued.credentials, expiresAt: expiration };
  };

/**
 * Ceph RGW uses only the first key of the JWKS and returns AccessDenied for a grant that another key
 * signed. This happens during a key rotation, until every replica publishes the new order.
 */
const UNKNOWN_KEY = { codes: ['AccessDenied'], pauseMs: 2 * JWKS_FRESH_MS } as const;

type GrantAssumeRoleRequest = Omit<AssumeRoleRequest, 'readToken'> & {
  readonly claims: (now: number) => GrantClaims;
};

const assumeRoleWithGrant = async (
  deps: RoleAssumptionDeps,
  { claims, ...request }: GrantAssumeRoleRequest,
) => {
  const { dialect } = deps.cloud;
  const readToken = async (isReread: boolean): Promise<string> => {
    // If the API server does not respond, the current keys may still be accepted.
    if (isReread) await deps.refreshKeys().catch(() => undefined);
    return deps.sign(claims(deps.clock.now()));
  };
  try {
    return await assumeForRun(deps, {
      ...request,
      readToken,
      ...(dialect === 's3' && { ambiguousDenial: UNKNOWN_KEY }),
    });
  } catch (thrown) {
    throw isGrantNotAccepted(thrown)
      ? new ExchangeError('unavailable', 'grant_not_accepted', thrown.message, { cause: thrown })
      : thrown;
  }
};

const isGrantNotAccepted = (thrown: unknown): thrown is ExchangeError =>
  thrown instanceof ExchangeError &&
  thrown.cause instanceof CloudRequestError &&
  classifyStsError(thrown.cause) === 'reread';

const digestSha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
