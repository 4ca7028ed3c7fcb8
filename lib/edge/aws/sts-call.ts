import type { CloudSettings } from '../../contract/platform.ts';
import type { CloudCredentials } from '../../contract/exchange.ts';

export type StsCall = {
  readonly roleArn: string;
  readonly sessionName: string;
  readonly token: string;
  /** Session policy, JSON; absent: the role itself, for the authority's own rights. */
  readonly policy?: string;
  readonly durationSeconds: number;
};

export type StsResponse = {
  readonly keys: CloudCredentials;
  /** Wall-clock milliseconds, by the cloud's clock. */
  readonly expiration: number;
  readonly packedPolicyPercent?: number;
};

/**
 * One call of AssumeRoleWithWebIdentity, without any retry.
 *
 * @throws CloudRequestError
 */
export type AssumeRole = (call: StsCall, signal: AbortSignal) => Promise<StsResponse>;

export type StsSettings = Pick<
  CloudSettings,
  'region' | 'stsEndpoint' | 'allowHttp' | 'caBundle' | 'httpsProxy'
>;

export type StsOptions = {
  readonly attemptTimeoutMs: number;
  /** Whether connections are kept for the next call. */
  readonly keepAlive: boolean;
};
