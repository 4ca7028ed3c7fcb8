import type { CloudCredentials } from '../../contract/exchange.ts';
import { CloudRequestError } from './cloud-request-error.ts';
import { buildSdkSettings, type EndpointSettings } from './sdk-settings.ts';

const ATTEMPT_TIMEOUT_MS = 5_000;

/** Where the authority's own rights are used. */
export type SignedEndpointSettings = EndpointSettings & { readonly allowHttp: boolean };

/**
 * Settings of a client of the SDK that signs by the keys given and looks for none itself.
 *
 * @throws Error for an `http:` endpoint that `allowHttp` does not allow
 */
export const buildSignedSettings = (
  { allowHttp, ...settings }: SignedEndpointSettings,
  keys: CloudCredentials,
) => {
  if (settings.endpoint?.startsWith('http:') === true && !allowHttp) {
    throw new Error(`expected an https endpoint (or allowHttp), got ${settings.endpoint}`);
  }
  return {
    ...buildSdkSettings(settings, { attemptTimeoutMs: ATTEMPT_TIMEOUT_MS, keepAlive: false }),
    credentials: keys,
  };
};

/** What was thrown, as a fault without anything of the request. */
export const toCloudRequestError = (thrown: unknown): CloudRequestError => {
  if (thrown instanceof CloudRequestError) return thrown;
  const { name, $response } = thrown as { name?: string; $response?: { statusCode?: number } };
  const status = $response?.statusCode;
  return new CloudRequestError(name ?? 'unknown', '', status === undefined ? {} : { status });
};

/** Options of one call. */
export const toCallOptions = (signal: AbortSignal | undefined) =>
  signal === undefined ? {} : { abortSignal: signal };
