import {
  CREDENTIALS_TYPE,
  HTTP_HEADERS_TYPE,
  POSTGRES_LOGIN_TYPE,
  type ContainerCredentials,
  type RunDecision,
  type TaskDetails,
  type TokenResponse,
} from '../contract/authority-api.ts';
import type { IssuedRun } from '../contract/exchange.ts';
import type { AuthorizedRun } from './authorized-run.ts';

type RenderedOversight = Partial<RunDecision> &
  Pick<TokenResponse, 'allow' | 'ancestors'> & { readonly ticket?: string | undefined };

/**
 * Renders the successful response (RFC 8693, section 2.2.1). The token type is `N_A`: the response
 * contains cloud credentials, which are not an access token of the authority.
 *
 * @param now wall-clock milliseconds
 */
export const renderTokenResponse = (
  issued: IssuedRun,
  {
    granted,
    isApproved = false,
    fixedKey,
    ticket,
    gates,
    policy_version,
    allow,
    ancestors,
  }: RenderedOversight & {
    readonly granted: TaskDetails;
    readonly isApproved?: boolean;
    /** Only of provider `http`. */
    readonly fixedKey?: boolean | undefined;
  },
  now: number,
): TokenResponse => {
  const { run, deadline, skewMs, packedPolicyPercent } = issued;
  return {
    ...renderToken(issued),
    token_type: 'N_A',
    expires_in: Math.max(0, Math.floor((deadline - now) / 1000)),
    authorization_details: [granted],
    run,
    deadline_ms: deadline,
    answered_at_ms: now,
    cloud_skew_ms: skewMs,
    ...(packedPolicyPercent !== undefined && { packed_policy_percent: packedPolicyPercent }),
    ...('secret' in issued && issued.release !== undefined && { release: issued.release }),
    ...(fixedKey !== undefined && { fixed_key: fixedKey }),
    ...(ticket !== undefined && { ticket }),
    ...(gates !== undefined && { gates }),
    ...(policy_version !== undefined && { policy_version }),
    ...(isApproved && { approved: true }),
    ...(allow !== undefined && { allow }),
    ...(ancestors !== undefined && { ancestors }),
  };
};

/** What the sidecar has to know of a delegated run: its scope, and the runs whose end is its end. */
export const renderDelegation = ({
  task,
  delegation,
}: Pick<AuthorizedRun, 'task' | 'delegation'>): Pick<TokenResponse, 'allow' | 'ancestors'> =>
  delegation === undefined
    ? {}
    : { allow: task.allow, ancestors: delegation.chain.map(({ run }) => run) };

const renderToken = (
  issued: IssuedRun,
): Pick<TokenResponse, 'access_token' | 'issued_token_type'> => {
  if ('secret' in issued) {
    const isHttp = issued.secret.kind === 'http';
    const type = isHttp ? HTTP_HEADERS_TYPE : POSTGRES_LOGIN_TYPE;
    return { access_token: encode(issued.secret), issued_token_type: type };
  }
  const { credentials, deadline } = issued;
  const rendered: ContainerCredentials = {
    AccessKeyId: credentials.accessKeyId,
    SecretAccessKey: credentials.secretAccessKey,
    Token: credentials.sessionToken,
    Expiration: new Date(deadline).toISOString(),
  };
  return { access_token: encode(rendered), issued_token_type: CREDENTIALS_TYPE };
};

const encode = (token: object): string => Buffer.from(JSON.stringify(token)).toString('base64url');
