import {
  AssumeRoleWithWebIdentityCommand,
  STSClient,
  type AssumeRoleWithWebIdentityCommandOutput,
} from '@aws-sdk/client-sts';

import { openCloudAgents } from './cloud-agents.ts';
import { readFaults } from './sts-answer.ts';
import type { AssumeRole, StsAnswer, StsCall, StsSettings } from './sts-call.ts';
import { StsFault } from './sts-fault.ts';

const CONNECT_TIMEOUT_MS = 3_000;

/** The SDK's client, told everything that it would otherwise look for outside, and no retries. */
export const openStsBySdk = (settings: StsSettings, attemptTimeoutMs: number): AssumeRole => {
  const client = openClient(settings, attemptTimeoutMs);
  return async (call, signal) => {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(attemptTimeoutMs)]);
    try {
      return toAnswer(await client.send(toCommand(call), { abortSignal: limited }));
    } catch (thrown) {
      throw limited.aborted ? new StsFault('timeout', '') : toFault(thrown);
    }
  };
};

const openClient = (settings: StsSettings, attemptTimeoutMs: number): STSClient => {
  const { region, stsEndpoint } = settings;
  const client = new STSClient({
    ...nothingFromOutside(),
    region,
    ...(stsEndpoint === undefined ? {} : { endpoint: stsEndpoint }),
    maxAttempts: 1,
    requestHandler: {
      ...openCloudAgents(settings),
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: attemptTimeoutMs,
      throwOnRequestTimeout: true,
    },
  });
  client.middlewareStack.add(readFaults, { step: 'deserialize', priority: 'low' });
  return client;
};

/** Each of these, left out, makes the SDK look into the environment and `~/.aws`. */
const nothingFromOutside = () => ({
  ignoreConfiguredEndpointUrls: true,
  // The call is not signed: a chain that is asked all the same must not find anything.
  credentials: () => Promise.reject(new Error('the sidecar has no cloud credentials of its own')),
  authSchemePreference: [],
  sigv4aSigningRegionSet: [],
  retryMode: 'standard',
  defaultsMode: 'standard' as const,
  useDualstackEndpoint: false,
  useFipsEndpoint: false,
  userAgentAppId: '',
});

const toCommand = (call: StsCall) =>
  new AssumeRoleWithWebIdentityCommand({
    RoleArn: call.roleArn,
    RoleSessionName: call.sessionName,
    WebIdentityToken: call.token,
    Policy: call.policy,
    DurationSeconds: call.durationSeconds,
  });

const toAnswer = (output: AssumeRoleWithWebIdentityCommandOutput): StsAnswer => {
  const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = output.Credentials ?? {};
  const expiration = Expiration?.getTime() ?? NaN;
  if (!AccessKeyId || !SecretAccessKey || !SessionToken || Number.isNaN(expiration)) {
    const detail = 'credentials without a key, secret, token or expiry';
    throw new StsFault('sts_answer_invalid', detail, { status: 200 });
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
const toFault = (thrown: unknown): StsFault => {
  if (thrown instanceof StsFault) return thrown;
  const status = (thrown as { $response?: { statusCode?: number } }).$response?.statusCode ?? 200;
  return new StsFault('sts_answer_invalid', 'what is no answer of an STS', { status });
};
