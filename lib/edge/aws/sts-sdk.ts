import {
  AssumeRoleWithWebIdentityCommand,
  STSClient,
  type AssumeRoleWithWebIdentityCommandOutput,
} from '@aws-sdk/client-sts';

import { readCloudErrors } from './cloud-response.ts';
import { buildSdkSettings } from './sdk-settings.ts';
import { createPooledHandler } from './pooled-handler.ts';
import type { AssumeRole, StsResponse, StsCall, StsSettings, StsOptions } from './sts-call.ts';
import { CloudRequestError } from './cloud-request-error.ts';

type SdkStsOptions = Pick<StsOptions, 'attemptTimeoutMs'> & Partial<StsOptions>;

/** Creates an STS client of the SDK that reads no settings from outside and does not retry. */
export const createSdkStsClient = (settings: StsSettings, options: SdkStsOptions): AssumeRole => {
  const { stsEndpoint: endpoint } = settings;
  const client = new STSClient({
    ...buildSdkSettings({ ...settings, ...(endpoint === undefined ? {} : { endpoint }) }, options),
    ...(options.send && { requestHandler: createPooledHandler(options.send) }),
    // The call is not signed. The default credential chain must never be used.
    credentials: () => Promise.reject(new Error('AssumeRoleWithWebIdentity needs no credentials')),
  });
  client.middlewareStack.add(readCloudErrors, { step: 'deserialize', priority: 'low' });
  return async (call, signal) => {
    // Not AbortSignal.timeout: its timer would fire also after each successful call.
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), options.attemptTimeoutMs);
    const limited = AbortSignal.any([signal, timeout.signal]);
    try {
      return toStsResponse(await client.send(toCommand(call), { abortSignal: limited }));
    } catch (thrown) {
      throw limited.aborted ? new CloudRequestError('timeout', '') : toStsError(thrown);
    } finally {
      clearTimeout(timer);
    }
  };
};

const toCommand = (call: StsCall) =>
  new AssumeRoleWithWebIdentityCommand({
    RoleArn: call.roleArn,
    RoleSessionName: call.sessionName,
    WebIdentityToken: call.token,
    ...(call.policy === undefined ? {} : { Policy: call.policy }),
    DurationSeconds: call.durationSeconds,
  });

const toStsResponse = (output: AssumeRoleWithWebIdentityCommandOutput): StsResponse => {
  const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = output.Credentials ?? {};
  const expiration = Expiration?.getTime() ?? NaN;
  if (!AccessKeyId || !SecretAccessKey || !SessionToken || Number.isNaN(expiration)) {
    const detail = 'credentials without an access key, secret, token or expiration';
    throw new CloudRequestError('sts_answer_invalid', detail, { status: 200 });
  }
  const keys = {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    sessionToken: SessionToken,
  };
  const packed = readPackedPercent(output);
  return { keys, expiration, ...(packed === undefined ? {} : { packedPolicyPercent: packed }) };
};

/** Private clouds return only the former; AWS will replace it with the latter. */
const readPackedPercent = (output: AssumeRoleWithWebIdentityCommandOutput): number | undefined =>
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  output.PackedPolicySize ?? output.SessionTokenUtilization;

/** The remaining errors are responses that the SDK cannot read. They contain the token: no cause. */
const toStsError = (thrown: unknown): CloudRequestError => {
  if (thrown instanceof CloudRequestError) return thrown;
  const status = (thrown as { $response?: { statusCode?: number } }).$response?.statusCode ?? 200;
  return new CloudRequestError(
    'sts_answer_invalid',
    'expected a response of STS, got something else',
    { status },
  );
};
