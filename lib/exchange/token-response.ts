import {
  CREDENTIALS_TYPE,
  HTTP_HEADERS_TYPE,
  type ContainerCredentials,
  type TaskDetails,
  type TokenResponse,
} from '../contract/authority-api.ts';
import type { IssuedRun } from '../contract/exchange.ts';

/**
 * Renders the successful response (RFC 8693, section 2.2.1). The token type is `N_A`: the response
 * contains cloud credentials, which are not an access token of the authority.
 *
 * @param now wall-clock milliseconds
 */
export const renderTokenResponse = (
  issued: IssuedRun,
  granted: TaskDetails,
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
  };
};

const renderToken = (
  issued: IssuedRun,
): Pick<TokenResponse, 'access_token' | 'issued_token_type'> => {
  if ('secret' in issued) {
    return { access_token: encode(issued.secret), issued_token_type: HTTP_HEADERS_TYPE };
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
