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
  /** Reads the keys of grants again: a cloud that does not accept a grant may know of newer ones. */
  readonly refreshKeys: () => Promise<unknown>;
  readonly cloud: Pick<CloudSettings, 'dialect' | 'bind'>;
  readonly authority: Pick<
    AuthoritySettings,
    'issuer' | 'trustDomain' | 'cloudAudience' | 'tagParams'
  >;
};

/**
 * Signs a grant for one run and trades it, with the session policy, for the run's credentials. The
 * grant never leaves this function but to the cloud. Each attempt has a grant of its own.
 *
 * @throws ExchangeError (from the function); `unavailable`, `grant_not_accepted` when the cloud does
 *   not know our key, which is no answer about the caller
 */
export const createRoleAssumption =
  (parts: RoleAssumptionDeps): IssueCredentials =>
  async ({ workload, task, params, run, user }) => {
    const { namespace, serviceAccount, pod } = workload;
    const acting = { namespace, serviceAccount, ...(user === undefined ? {} : { user }) };
    const granted = { ...acting, task: task.name, params, run };
    const name = buildSessionName({ podName: pod.name, run });
    const { issued, policy = '' } = await assumeRoleWithGrant(parts, {
      run,
      role: task.role,
      lifetimeSeconds: task.lifetimeSeconds,
      sessionName: name,
      claims: (now) => buildGrantClaims(granted, parts.authority, now),
      sessionPolicy: (deadline) =>
        buildSessionPolicy({ task, params, deadline, cloud: parts.cloud, podIp: pod.ip }),
      signal: new AbortController().signal,
    });
    return { ...issued, sessionName: name, policySha256: digestSha256(policy) };
  };

/** One of the authority's own rights. */
export type OwnRole = { readonly name: 'revoker' | 'publisher'; readonly role: string };

export type OwnCredentials = {
  readonly keys: CloudCredentials;
  /** Milliseconds since the epoch, by the cloud's clock. */
  readonly expiresAt: number;
};

/** Of the least that STS gives. */
const OWN_SESSION_SECONDS = 900;

/** Trades a grant that the authority signs itself for one of its own two roles. */
export const createOwnRoleAssumption =
  (parts: RoleAssumptionDeps) =>
  async (
    { name, role }: OwnRole,
    signal = new AbortController().signal,
  ): Promise<OwnCredentials> => {
    const { issued, expiration } = await assumeRoleWithGrant(parts, {
      run: name,
      role,
      lifetimeSeconds: OWN_SESSION_SECONDS,
      sessionName: `authority-${name}`,
      claims: (now) => buildAuthorityClaims({ id: `${name}-${now}`, now }, parts.authority),
      sessionPolicy: () => undefined,
      signal,
    });
    return { keys: issued.credentials, expiresAt: expiration };
  };

/**
 * Ceph RGW looks at the first key of the JWKS alone and says AccessDenied to a grant that another one
 * signed: so it does for a moment while keys change, until every replica publishes the new order.
 */
const UNKNOWN_KEY = { codes: ['AccessDenied'], pauseMs: 2 * JWKS_FRESH_MS } as const;

type GrantAssumeRoleRequest = Omit<AssumeRoleRequest, 'readToken'> & {
  readonly claims: (now: number) => GrantClaims;
};

const assumeRoleWithGrant = async (
  parts: RoleAssumptionDeps,
  { claims, ...order }: GrantAssumeRoleRequest,
) => {
  const { dialect } = parts.cloud;
  const readToken = async (isReread: boolean): Promise<string> => {
    // Where the API server does not answer, the keys that are held may still do.
    if (isReread) await parts.refreshKeys().catch(() => undefined);
    return parts.sign(claims(parts.clock.now()));
  };
  try {
    return await assumeForRun(parts, {
      ...order,
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
