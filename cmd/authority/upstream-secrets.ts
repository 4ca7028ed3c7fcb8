import type { Task } from '../../lib/contract/task.ts';
import type { ReadSourceSecret } from '../../lib/edge/kubernetes/source-secrets.ts';
import type { IssueCredentials } from '../../lib/exchange/authorized-run.ts';
import { RequestError } from '../../lib/exchange/token-refusal.ts';
import { buildSessionName } from '../../lib/scope/aws/session-name.ts';
import { buildHttpSecret } from '../../lib/upstreams/presentation.ts';
import { SecretError } from '../../lib/upstreams/secret-fetcher.ts';
import type { HttpUpstream } from '../../lib/upstreams/upstream.ts';

export type HttpIssueDeps = {
  /** @throws RequestError `upstream_unknown`, `upstreams_unavailable` */
  readonly findUpstream: (task: Task) => HttpUpstream;
  /** Absent: no namespace of Secrets is configured. */
  readonly readSourceSecret?: ReadSourceSecret | undefined;
  /** Wall-clock milliseconds. */
  readonly now: () => number;
};

/**
 * Creates the function that fetches the secret of an Upstream for one run and renders the headers that
 * present it. Nothing is kept.
 *
 * @returns throws RequestError
 */
export const createHttpIssue =
  ({ findUpstream, readSourceSecret, now }: HttpIssueDeps): IssueCredentials =>
  async ({ run, task, workload }) => {
    const upstream = findUpstream(task);
    const secret = await fetchSecret(upstream, readSourceSecret).catch(toRequestError);
    return {
      run,
      secret: buildHttpSecret(upstream, secret),
      deadline: now() + task.lifetimeSeconds * 1000,
      skewMs: 0,
      sessionName: buildSessionName({ podName: workload.pod.name, run }),
    };
  };

const fetchSecret = async (
  { name, access, rules }: HttpUpstream,
  readSourceSecret: ReadSourceSecret | undefined,
): Promise<string | undefined> => {
  if (access === undefined) return undefined;
  const { secret: source } = access;
  if (source.kind !== 'kubernetes') {
    throw new SecretError(
      'secret_unavailable',
      `upstream ${name}: expected the source kubernetes, got ${source.kind}, which this version does not fetch from`,
    );
  }
  if (readSourceSecret === undefined) {
    throw new SecretError(
      'secret_unavailable',
      `upstream ${name}: expected authority.secrets.namespace to be set in the chart`,
    );
  }
  const { origin } = new URL(rules.url);
  return (await readSourceSecret(source, { origin, form: 'token' })).text;
};

const toRequestError = (thrown: unknown): never => {
  if (!(thrown instanceof SecretError)) throw thrown;
  throw new RequestError(thrown.code, thrown.message, { cause: thrown });
};
