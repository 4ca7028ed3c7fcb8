import type { AssumeRole, StsSettings, StsOptions } from './sts-call.ts';

/**
 * STS by the AWS SDK, which is loaded at the first call: it costs a sidecar as much memory as
 * everything else together.
 *
 * @throws Error at once, for an `http:` endpoint that `allowHttp` does not allow
 */
export const createStsClient = (
  settings: StsSettings,
  { attemptTimeoutMs = 5_000, keepAlive = false }: Partial<StsOptions> = {},
): AssumeRole => {
  if (settings.stsEndpoint?.startsWith('http:') === true && !settings.allowHttp) {
    throw new Error(
      `cloud.stsEndpoint: expected https (or allowHttp), got ${settings.stsEndpoint}`,
    );
  }
  let loading: Promise<AssumeRole> | undefined;
  const load = async (): Promise<AssumeRole> => {
    const { createSdkStsClient } = await import('./sts-sdk.ts');
    return createSdkStsClient(settings, { attemptTimeoutMs, keepAlive });
  };
  return async (call, signal) => {
    loading ??= load();
    return (await loading)(call, signal);
  };
};
