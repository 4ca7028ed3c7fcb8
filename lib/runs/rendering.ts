import type { DelegationResponse } from '../contract/authority-api.ts';
import type { CloudCredentials } from '../contract/exchange.ts';
import type { Task } from '../contract/task.ts';
import { parseRoleArn } from '../schema/arn.ts';

/**
 * Formats credentials for the AWS container credentials provider: `{AccessKeyId, SecretAccessKey,
 * Token, Expiration, AccountId?}`, as UTF-8 JSON. Done once per run: serving it again allocates
 * nothing, and a Buffer can be erased.
 *
 * @param expiresAt milliseconds since the epoch
 */
export const formatCredentials = ({
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

/** Renders the response to `POST …/runs`: `{run, task, expiresAt, credentials}`, as UTF-8 JSON. */
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

/**
 * Renders the same for a run without credentials, as UTF-8 JSON: `{run, task, expiresAt}` and `baseUrl`, or
 * `host`, `port` and `user` of a session of PostgreSQL.
 */
export const renderStartedGatewayRun = ({
  expiresAt,
  ...rest
}: {
  run: string;
  task: string;
  expiresAt: number;
} & (
  | { readonly baseUrl: string }
  | { readonly host: string; readonly port: number; readonly user: string }
)): Buffer =>
  Buffer.from(JSON.stringify({ ...rest, expiresAt: new Date(expiresAt).toISOString() }));

/** Renders the response to `GET /v1/tasks`: the tasks and their params, as UTF-8 JSON. */
export const renderTaskList = (tasks: readonly Task[]): Buffer =>
  Buffer.from(
    JSON.stringify({
      tasks: tasks.map(
        ({
          name,
          delivery,
          default: isDefault,
          exclusive,
          lifetimeSeconds,
          params,
          purpose,
          delegated,
        }) => ({
          name,
          delivery,
          default: isDefault,
          exclusive,
          lifetimeSeconds,
          params,
          ...(purpose !== undefined && { purpose }),
          ...(delegated !== undefined && { delegated }),
        }),
      ),
    }),
  );

/** Renders the response to `POST …/delegations`: `{handle, expiresAt}`, as UTF-8 JSON. */
export const renderDelegation = ({ handle, expires_at_ms }: DelegationResponse): Buffer =>
  Buffer.from(JSON.stringify({ handle, expiresAt: new Date(expires_at_ms).toISOString() }));
