import type { AssumeRole, StsSettings, StsOptions } from './sts-call.ts';

/**
 * Creates an STS client. The AWS SDK is loaded at the first call, because it takes as much memory as
 * the rest of a sidecar.
 *
 * @throws Error for an `http:` endpoint that `allowHttp` does not allow
 */
export const createStsClient = (
  settings: StsSettings,
  { attemptTimeoutMs = 5_000, ...options }: Partial<StsOptions> = {},
): AssumeRole => {
  if (settings.stsEndpoint?.startsWith('http:') === true && !settings.allowHttp) {
    throw new Error(
      `cloud.stsEndpoint: expected https (or allowHttp), got ${settings.stsEndpoint}`,
    );
  }
  let loading: Promise<AssumeRole> | undefined;
  const load = async (): Promise<AssumeRole> => {
    const { createSdkStsClient } = await import('./sts-sdk.ts');
    return createSdkStsClient(settings, { attemptTimeoutMs, ...options });
  };
  return async (call, signal) => {
    loading ??= load();
    return (await loading)(call, signal);
  };
};
