import {
  AssumeRoleWithWebIdentityCommand,
  STSClient,
  type AssumeRoleWithWebIdentityCommandOutput,
} from '@aws-sdk/client-sts';

import { readCloudErrors } from './cloud-response.ts';
import { buildSdkSettings } from './sdk-settings.ts';
import type { AssumeRole, StsResponse, StsCall, StsSettings, StsOptions } from './sts-call.ts';
import { CloudRequestError } from './cloud-request-error.ts';

/** The SDK's client, told everything that it would otherwise look for outside, and no retries. */
export const createSdkStsClient = (settings: StsSettings, terms: StsOptions): AssumeRole => {
  const { stsEndpoint: endpoint } = settings;
  const client = new STSClient({
    ...buildSdkSettings({ ...settings, ...(endpoint === undefined ? {} : { endpoint }) }, terms),
    // The call is not signed: a chain that is asked all the same must not find anything.
    credentials: () => Promise.reject(new Error('an exchange needs no credentials')),
  });
  client.middlewareStack.add(readCloudErrors, { step: 'deserialize', priority: 'low' });
  return async (call, signal) => {
    // Not AbortSignal.timeout: it would go off, seconds later, for every call that went well.
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), terms.attemptTimeoutMs);
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
    const detail = 'credentials without a key, secret, token or expiry';
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

/** Private clouds know the former alone; AWS means to replace it by the latter. */
const readPackedPercent = (output: AssumeRoleWithWebIdentityCommandOutput): number | undefined =>
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  output.PackedPolicySize ?? output.SessionTokenUtilization;

/** What is left are answers that the SDK could not read. Its error carries the token: no cause. */
const toStsError = (thrown: unknown): CloudRequestError => {
  if (thrown instanceof CloudRequestError) return thrown;
  const status = (thrown as { $response?: { statusCode?: number } }).$response?.statusCode ?? 200;
  return new CloudRequestError('sts_answer_invalid', 'what is no answer of an STS', { status });
};
