import type { CloudSettings } from '../../contract/platform.ts';
import type { SendPooled } from './pooled-handler.ts';
import type { CloudCredentials } from '../../contract/exchange.ts';

export type StsCall = {
  readonly roleArn: string;
  readonly sessionName: string;
  readonly token: string;
  /** Session policy, JSON; absent for the authority's own roles. */
  readonly policy?: string;
  readonly durationSeconds: number;
};

export type StsResponse = {
  readonly keys: CloudCredentials;
  /** Milliseconds since the epoch, by the cloud's clock. */
  readonly expiration: number;
  readonly packedPolicyPercent?: number;
};

/**
 * Calls AssumeRoleWithWebIdentity once, without a retry.
 *
 * @throws CloudRequestError
 */
export type AssumeRole = (call: StsCall, signal: AbortSignal) => Promise<StsResponse>;

export type StsSettings = Pick<
  CloudSettings,
  'region' | 'stsEndpoint' | 'allowHttp' | 'caBundle' | 'httpsProxy' | 'noProxy'
>;

export type StsOptions = {
  readonly attemptTimeoutMs: number;
  /** Sends instead of the SDK's own handler. */
  readonly send: SendPooled;
};
