import { startReconcileLoop, type ReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { ConnectionError, type SendToEndpoint } from '../../lib/edge/http/https-client.ts';
import type { ReadSourceSecret } from '../../lib/edge/kubernetes/source-secrets.ts';
import type { CheckedUpstream } from '../../lib/edge/telemetry/authority-upstream-metrics.ts';
import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import { SecretError } from '../../lib/upstreams/secret-fetcher.ts';
import { parseUpstream } from '../../lib/upstreams/upstream-parser.ts';
import {
  getGitHubApi,
  type HttpUpstream,
  type SecretKey,
  type SecretSource,
} from '../../lib/upstreams/upstream.ts';
import {
  readConditions,
  updateConditions,
  type WantedCondition,
  type WriteConditions,
} from './conditions.ts';
import type { OnFailure } from './failures.ts';
import type { StoredObject } from './stored-objects.ts';

/** Asks a server for anything. @throws ConnectionError */
export type ProbeServer = (server: {
  readonly url: string;
  readonly caBundle?: string | undefined;
}) => Promise<void>;

export type UpstreamStatusDeps = {
  readonly readSourceSecret: ReadSourceSecret;
  readonly probe: ProbeServer;
  readonly writeStatus: WriteConditions;
  readonly metrics: Pick<AuthorityMetrics, 'upstreamsChecked'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly random: () => number;
  readonly onFailure: OnFailure;
};

const RETRY = { firstMs: 500, maxMs: 30_000 };
/** Until the next pass; sooner while a person may be mending an Upstream. */
const PERIOD_MS = { ready: 300_000, notReady: 30_000 };

const READY = 'Ready';
const SECRET_FOUND = 'SecretFound';
const REACHABLE = 'Reachable';

/**
 * Writes to the status of each Upstream whether runs can get its secret: it is valid, its Secret is found,
 * and its server answers. One that fails keeps none of the others from its status. The status names objects and
 * servers, and says nothing about a secret.
 */
export const startUpstreamStatus = (
  deps: UpstreamStatusDeps,
  list: () => readonly StoredObject[],
): ReconcileLoop =>
  startReconcileLoop({
    reconcile: async () => {
      const checked: CheckedUpstream[] = [];
      const failures: unknown[] = [];
      for (const stored of list()) {
        await reconcileUpstream(stored, deps).then(
          (done) => checked.push(done),
          (error: unknown) => failures.push(error),
        );
      }
      deps.metrics.upstreamsChecked(checked);
      if (failures.length > 0) throw failures[0];
      return checked.every(({ isReady }) => isReady) ? PERIOD_MS.ready : PERIOD_MS.notReady;
    },
    onFailure: (error) => deps.onFailure('status of an Upstream not written', error),
    retry: RETRY,
    random: deps.random,
  });

/** Creates what sends one request over TLS, without any key. Whatever answers is reachable. */
export const createProbe =
  (send: SendToEndpoint): ProbeServer =>
  async ({ url, caBundle }) => {
    await send({
      method: 'GET',
      url,
      headers: { 'User-Agent': 'valetkey' },
      ...(caBundle !== undefined && { caBundle }),
      timeoutMs: 5_000,
      maxBodyBytes: 1024 * 1024,
    });
  };

const reconcileUpstream = async (
  stored: StoredObject,
  deps: UpstreamStatusDeps,
): Promise<CheckedUpstream> => {
  const { name, resourceVersion, generation = 0 } = stored.metadata;
  const { conditions: wanted, age } = await checkUpstream(stored, deps);
  const conditions = updateConditions(wanted, {
    generation,
    conditions: readConditions(stored.status),
    now: deps.clock.now(),
    obsolete: [SECRET_FOUND, REACHABLE],
  });
  if (conditions !== undefined) {
    await deps.writeStatus({ name, resourceVersion, status: { conditions } });
  }
  const isReady = wanted.some(({ type, status }) => type === READY && status === 'True');
  return { name, isReady, ...(age !== undefined && { age }) };
};

type Check = {
  readonly conditions: readonly WantedCondition[];
  readonly age?: CheckedUpstream['age'];
};

const checkUpstream = async (stored: StoredObject, deps: UpstreamStatusDeps): Promise<Check> => {
  const parsed = parseUpstream(stored);
  if (!parsed.ok) {
    const message = parsed.faults.map(formatFieldError).join('\n');
    return { conditions: [{ type: READY, status: 'False', reason: 'Invalid', message }] };
  }
  const source = parsed.value.kind === 'http' ? parsed.value.access?.secret : undefined;
  if (parsed.value.kind !== 'http' || source === undefined) {
    const message = 'the Upstream is valid';
    return { conditions: [{ type: READY, status: 'True', reason: 'Valid', message }] };
  }
  const found = await checkSecret(parsed.value, source, deps);
  const reachable = await checkServer(parsed.value, source, deps);
  const all = [found.condition, ...(reachable === undefined ? [] : [reachable])];
  const failed = all.find(({ status }) => status === 'False');
  const ready: WantedCondition =
    failed === undefined
      ? { type: READY, status: 'True', reason: 'Valid', message: 'runs can get its secret' }
      : { ...failed, type: READY };
  return { conditions: [...all, ready], ...(found.age !== undefined && { age: found.age }) };
};

/** The Secret that the authority reads itself: the secret, or what proves who asks for one. */
const findKey = (
  source: SecretSource,
  upstream: HttpUpstream,
): { key: SecretKey; origin: string; form: 'token' | 'pem' } | undefined => {
  switch (source.kind) {
    case 'kubernetes':
      return { key: source, origin: new URL(upstream.rules.url).origin, form: 'token' };
    case 'vault':
      return undefined;
    case 'oauth': {
      const form = source.auth === 'secret' ? 'token' : 'pem';
      const { origin } = new URL(source.tokenUrl);
      return source.key === undefined ? undefined : { key: source.key, origin, form };
    }
    case 'githubApp': {
      const { origin } = new URL(getGitHubApi(source));
      return { key: source.privateKey, origin, form: 'pem' };
    }
  }
};

const checkSecret = async (
  upstream: HttpUpstream,
  source: SecretSource,
  { readSourceSecret }: UpstreamStatusDeps,
): Promise<{ condition: WantedCondition; age?: CheckedUpstream['age'] }> => {
  const wanted = findKey(source, upstream);
  if (wanted === undefined) {
    const message = 'the source issues a secret for each run';
    return { condition: { type: SECRET_FOUND, status: 'True', reason: 'IssuedPerRun', message } };
  }
  const { key, origin, form } = wanted;
  const maxAgeSeconds = source.kind === 'kubernetes' ? source.maxAgeSeconds : undefined;
  const withAge = (condition: WantedCondition, changedAtMs?: number) => ({
    condition,
    ...(maxAgeSeconds !== undefined && { age: { maxAgeSeconds, changedAtMs } }),
  });
  try {
    const { changedAtMs } = await readSourceSecret(key, { origin, form });
    const message = `Secret ${key.name} has the key ${key.key}`;
    return withAge({ type: SECRET_FOUND, status: 'True', reason: 'Found', message }, changedAtMs);
  } catch (error) {
    if (!(error instanceof SecretError)) throw error;
    return withAge({
      type: SECRET_FOUND,
      status: 'False',
      reason: REASONS[error.code],
      // What is wrong with a secret says something about it.
      message:
        error.code === 'secret_invalid'
          ? `Secret ${key.name}, key ${key.key}: expected a secret that can be used (docs/upstreams.md)`
          : error.message,
    });
  }
};

const REASONS = {
  secret_unavailable: 'SecretUnavailable',
  secret_origin_mismatch: 'SecretOriginMismatch',
  secret_invalid: 'SecretInvalid',
  provider_refused: 'ProviderRefused',
} as const satisfies Record<SecretError['code'], string>;

const findServer = (
  source: SecretSource,
  { rules }: HttpUpstream,
): { url: string; caBundle?: string | undefined } | undefined => {
  switch (source.kind) {
    case 'kubernetes':
      return undefined;
    case 'vault':
      return { url: `${source.address}/v1/sys/health`, caBundle: source.caBundle };
    case 'oauth':
      return { url: source.tokenUrl, caBundle: source.caBundle };
    case 'githubApp':
      return source.apiUrl === undefined
        ? { url: getGitHubApi(source) }
        : { url: source.apiUrl, caBundle: rules.caBundle };
  }
};

const checkServer = async (
  upstream: HttpUpstream,
  source: SecretSource,
  { probe }: UpstreamStatusDeps,
): Promise<WantedCondition | undefined> => {
  const server = findServer(source, upstream);
  if (server === undefined) return undefined;
  const { host } = new URL(server.url);
  try {
    await probe(server);
    const message = `${host} answers`;
    return { type: REACHABLE, status: 'True', reason: 'Answered', message };
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    const message = `${host}: expected an answer over TLS, got ${error.code}`;
    return { type: REACHABLE, status: 'False', reason: 'Unreachable', message };
  }
};
