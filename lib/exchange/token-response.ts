import {
  CREDENTIALS_TYPE,
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
  { run, credentials: issued, deadline, skewMs, packedPolicyPercent }: IssuedRun,
  granted: TaskDetails,
  now: number,
): TokenResponse => {
  const credentials: ContainerCredentials = {
    AccessKeyId: issued.accessKeyId,
    SecretAccessKey: issued.secretAccessKey,
    Token: issued.sessionToken,
    Expiration: new Date(deadline).toISOString(),
  };
  return {
    access_token: Buffer.from(JSON.stringify(credentials)).toString('base64url'),
    issued_token_type: CREDENTIALS_TYPE,
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
