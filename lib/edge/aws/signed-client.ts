import type { CloudCredentials } from '../../contract/exchange.ts';
import { CloudRequestError } from './cloud-request-error.ts';
import { buildSdkSettings, type EndpointSettings } from './sdk-settings.ts';

export const ATTEMPT_TIMEOUT_MS = 5_000;

/** An endpoint at which the authority uses its own roles. */
export type SignedEndpointSettings = EndpointSettings & { readonly allowHttp: boolean };

/**
 * Builds settings of an SDK client that signs with the given keys and never searches for others.
 *
 * @param attemptTimeoutMs longer for large bodies
 * @throws Error for an `http:` endpoint that `allowHttp` does not allow
 */
export const buildSignedSettings = (
  { allowHttp, ...settings }: SignedEndpointSettings,
  keys: CloudCredentials,
  attemptTimeoutMs = ATTEMPT_TIMEOUT_MS,
) => {
  if (settings.endpoint?.startsWith('http:') === true && !allowHttp) {
    throw new Error(`expected an https endpoint (or allowHttp), got ${settings.endpoint}`);
  }
  return {
    ...buildSdkSettings(settings, { attemptTimeoutMs }),
    credentials: keys,
  };
};

/** Converts what the SDK threw; the result contains nothing of the request. */
export const toCloudRequestError = (thrown: unknown): CloudRequestError => {
  if (thrown instanceof CloudRequestError) return thrown;
  const { name, $response } = thrown as { name?: string; $response?: { statusCode?: number } };
  const status = $response?.statusCode;
  return new CloudRequestError(name ?? 'unknown', '', status === undefined ? {} : { status });
};

/** Builds the SDK's options of one call. */
export const toCallOptions = (signal: AbortSignal | undefined) =>
  signal === undefined ? {} : { abortSignal: signal };
