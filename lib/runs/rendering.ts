import type { CloudCredentials } from '../contract/exchange.ts';
import { parseRoleArn } from '../schema/arn.ts';

/**
 * Credentials in the shape of the AWS container credentials provider: `{AccessKeyId,
 * SecretAccessKey, Token, Expiration, AccountId?}`, as UTF-8 JSON. Rendered once per run, so that
 * serving it again allocates nothing; a Buffer, so that it can be wiped.
 *
 * @param expiresAt milliseconds since the epoch
 */
export const renderCredentials = ({
  keys,
  expiresAt,
  role,
}: {
  keys: CloudCredentials;
  expiresAt: number;
  role: string;
}): Buffer => {
  const account = parseRoleArn(role)?.account ?? '';
  return Buffer.from(
    JSON.stringify({
      AccessKeyId: keys.accessKeyId,
      SecretAccessKey: keys.secretAccessKey,
      Token: keys.sessionToken,
      Expiration: new Date(expiresAt).toISOString(),
      ...(account === '' ? {} : { AccountId: account }),
    }),
  );
};

/** The answer to a started run: `{run, task, expiresAt, credentials}`, as UTF-8 JSON. */
export const renderStartedRun = ({
  run,
  task,
  expiresAt,
  credentials,
}: {
  run: string;
  task: string;
  expiresAt: number;
  credentials: Buffer;
}): Buffer => {
  const head = JSON.stringify({ run, task, expiresAt: new Date(expiresAt).toISOString() });
  return Buffer.concat([
    Buffer.from(`${head.slice(0, -1)},"credentials":`),
    credentials,
    Buffer.from('}'),
  ]);
};
