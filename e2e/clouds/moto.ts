import { spawn } from 'node:child_process';
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import type { AwsKeys } from '../../lib/signing/signing-keys.ts';
import { buildChildEnvironment } from '../cluster/host-environment.ts';

/** moto's only account. */
export const MOTO_ACCOUNT = '123456789012';
export const MOTO_REGION = 'eu-central-1';

/** Services of AWS as moto implements them; each request is authenticated. */
export type Moto = {
  readonly origin: string;
  /** Of a session that may do everything. */
  readonly keys: AwsKeys;
  readonly close: () => Promise<void>;
};

const START_TIMEOUT_MS = 60_000;
const READY = /Running on (http:\/\/127\.0\.0\.1:\d+)/;

/** What {@link createSession} calls; from the next request on, moto authenticates. */
const CALLS_WITHOUT_AUTHENTICATION = '3';

const allowAll = (principal: object, action: string): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: action, ...principal }],
  });

const createSession = async (origin: string): Promise<AwsKeys> => {
  const options = {
    endpoint: origin,
    region: MOTO_REGION,
    credentials: { accessKeyId: 'first', secretAccessKey: 'first' },
  };
  const [iam, sts] = [new IAMClient(options), new STSClient(options)];
  const trust = allowAll({ Principal: { AWS: '*' } }, 'sts:AssumeRole');
  const RoleName = 'gateway';
  const { Role } = await iam.send(
    new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: trust }),
  );
  const PolicyDocument = allowAll({ Resource: '*' }, '*');
  await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: 'all', PolicyDocument }));
  const { Credentials } = await sts.send(
    new AssumeRoleCommand({ RoleArn: Role?.Arn, RoleSessionName: 'gateway' }),
  );
  iam.destroy();
  sts.destroy();
  return {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  };
};

/**
 * Starts moto with authentication: a request with a wrong signature is refused, as the tests show first.
 *
 * @param server path of `moto_server`
 */
export const startMoto = async (server: string): Promise<Moto> => {
  const child = spawn(server, ['-H', '127.0.0.1', '-p', '0'], {
    env: buildChildEnvironment({ INITIAL_NO_AUTH_ACTION_COUNT: CALLS_WITHOUT_AUTHENTICATION }),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const close = async (): Promise<void> => {
    child.kill();
    await ended;
  };
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-10_000);
    const [, origin] = READY.exec(log) ?? [];
    if (origin !== undefined) resolve(origin);
  });
  child.once('error', reject);
  child.once('close', () => reject(new Error(`moto_server ended: ${log}`)));
  const timeout = setTimeout(
    () => reject(new Error(`moto_server did not start: ${log}`)),
    START_TIMEOUT_MS,
  );
  try {
    const origin = await promise;
    return { origin, keys: await createSession(origin), close };
  } catch (error) {
    await close();
    throw error;
  } finally {
    clearTimeout(timeout);
  }
};
