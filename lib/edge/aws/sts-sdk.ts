import {
  AssumeRoleWithWebIdentityCommand,
  STSClient,
  type AssumeRoleWithWebIdentityCommandOutput,
} from '@aws-sdk/client-sts';

import { readFaults } from './cloud-answer.ts';
import { sdkSettings } from './sdk-settings.ts';
import type { AssumeRole, StsAnswer, StsCall, StsSettings, StsTerms } from './sts-call.ts';
import { CloudFault } from './cloud-fault.ts';

/** The SDK's client, told everything that it would otherwise look for outside, and no retries. */
export const openStsBySdk = (settings: StsSettings, terms: StsTerms): AssumeRole => {
  const { stsEndpoint: endpoint } = settings;
  const client = new STSClient({
    ...sdkSettings({ ...settings, ...(endpoint === undefined ? {} : { endpoint }) }, terms),
    // The call is not signed: a chain that is asked all the same must not find anything.
    credentials: () => Promise.reject(new Error('an exchange needs no credentials')),
  });
  client.middlewareStack.add(readFaults, { step: 'deserialize', priority: 'low' });
  return async (call, signal) => {
    // Not AbortSignal.timeout: it would go off, seconds later, for every call that went well.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), terms.attemptTimeoutMs);
    const limited = AbortSignal.any([signal, late.signal]);
    try {
      return toAnswer(await client.send(toCommand(call), { abortSignal: limited }));
    } catch (thrown) {
      throw limited.aborted ? new CloudFault('timeout', '') : toFault(thrown);
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

const toAnswer = (output: AssumeRoleWithWebIdentityCommandOutput): StsAnswer => {
  const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = output.Credentials ?? {};
  const expiration = Expiration?.getTime() ?? NaN;
  if (!AccessKeyId || !SecretAccessKey || !SessionToken || Number.isNaN(expiration)) {
    const detail = 'credentials without a key, secret, token or expiry';
    throw new CloudFault('sts_answer_invalid', detail, { status: 200 });
  }
  const keys = {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    sessionToken: SessionToken,
  };
  const packed = packedPercent(output);
  return { keys, expiration, ...(packed === undefined ? {} : { packedPolicyPercent: packed }) };
};

/** Private clouds know the former alone; AWS means to replace it by the latter. */
const packedPercent = (output: AssumeRoleWithWebIdentityCommandOutput): number | undefined =>
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  output.PackedPolicySize ?? output.SessionTokenUtilization;

/** What is left are answers that the SDK could not read. Its error carries the token: no cause. */
const toFault = (thrown: unknown): CloudFault => {
  if (thrown instanceof CloudFault) return thrown;
  const status = (thrown as { $response?: { statusCode?: number } }).$response?.statusCode ?? 200;
  return new CloudFault('sts_answer_invalid', 'what is no answer of an STS', { status });
};
