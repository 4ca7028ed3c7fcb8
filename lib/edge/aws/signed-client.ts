import type { CloudKeys } from '../../credentials/exchange.ts';
import { CloudFault } from './cloud-fault.ts';
import { sdkSettings, type EndpointSettings } from './sdk-settings.ts';

const ATTEMPT_TIMEOUT_MS = 5_000;

/** Where the authority's own rights are used. */
export type OwnEndpoint = EndpointSettings & { readonly allowHttp: boolean };

/**
 * Settings of a client of the SDK that signs by the keys given and looks for none itself.
 *
 * @throws Error for an `http:` endpoint that `allowHttp` does not allow
 */
export const signedSettings = ({ allowHttp, ...settings }: OwnEndpoint, keys: CloudKeys) => {
  if (settings.endpoint?.startsWith('http:') === true && !allowHttp) {
    throw new Error(`expected an https endpoint (or allowHttp), got ${settings.endpoint}`);
  }
  return {
    ...sdkSettings(settings, { attemptTimeoutMs: ATTEMPT_TIMEOUT_MS, keepAlive: false }),
    credentials: keys,
  };
};

/** What was thrown, as a fault without anything of the request. */
export const toCloudFault = (thrown: unknown): CloudFault => {
  if (thrown instanceof CloudFault) return thrown;
  const { name, $response } = thrown as { name?: string; $response?: { statusCode?: number } };
  const status = $response?.statusCode;
  return new CloudFault(name ?? 'unknown', '', status === undefined ? {} : { status });
};

/** Options of one call. */
export const within = (signal: AbortSignal | undefined) =>
  signal === undefined ? {} : { abortSignal: signal };
