import type { AccessKeyAttempt } from '../../lib/edge/aws/access-key-check.ts';
import {
  SMOKE_TASKS,
  type SmokeProbeLine,
  type SmokeProbePlan,
  type SmokeReplay,
  type SmokeTask,
} from '../../lib/contract/smoke-test.ts';
import { toMapping, type Mapping } from '../../lib/schema/mapping.ts';
import { parseRequestTarget } from '../../lib/schema/request-target.ts';
import { sha256 } from '../../lib/signing/canonical.ts';
import { signRequest } from '../../lib/signing/sign.ts';
import { createTextSigner, type AwsKeys } from '../../lib/signing/signing-keys.ts';

export type Response = { readonly status: number; readonly body: string };

/** External effects of the probe. */
export type ProbeDeps = {
  /** Asks the sidecar. @throws Error if it does not respond */
  readonly askSidecar: (path: string) => Promise<Response>;
  /** Sends one request to the cloud. @throws Error if there is no response */
  readonly sendToCloud: (request: SmokeReplay) => Promise<Response>;
  readonly tryKeys: (keys: AwsKeys) => Promise<readonly AccessKeyAttempt[]>;
  readonly print: (line: SmokeProbeLine) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly pause: (ms: number) => Promise<void>;
};

/** Of the sidecar: it fetches the credentials, and the authority may have just started. */
const CREDENTIALS_TIMEOUT_MS = 60_000;
const INTERVAL_MS = 1_000;
/** The cloud enforces the deadline at most ten seconds after the advertised expiration; its clock may differ. */
const MAX_LATE_MS = 60_000;

/** Answers of S3 for credentials that are no longer valid. */
const DENIALS: ReadonlySet<string> = new Set([
  '403 AccessDenied',
  '403 ExpiredToken',
  '400 ExpiredToken',
]);

type Held = { readonly keys: AwsKeys; readonly expiresAt: number };

/**
 * Uses the credentials of both tasks within and outside of their scopes, tries to create access keys, and reads with
 * the first ones until the cloud denies it. Prints one line for each step.
 */
export const runSmokeProbe = async (plan: SmokeProbePlan, deps: ProbeDeps): Promise<void> => {
  const held = new Map<SmokeTask, Held>();
  for (const task of SMOKE_TASKS) {
    const found = await fetchCredentials(task, deps);
    if ('answer' in found) {
      deps.print({ step: 'refused', task, answer: found.answer });
      return;
    }
    held.set(task, found);
  }
  const [first] = SMOKE_TASKS;
  const own = held.get(first);
  if (own === undefined) return;
  const { keys, expiresAt } = own;
  for (const [task, each] of held) {
    for (const of of SMOKE_TASKS) {
      const read = await readObject(of, { plan, keys: each.keys }, deps);
      deps.print({ step: 'read', task, of, ...read });
    }
  }
  if (plan.replays) deps.print({ step: 'replay', ...buildRead(first, { plan, keys }, deps.now()) });
  for (const attempt of await deps.tryKeys(keys)) deps.print({ step: 'key', ...attempt });
  await watchDeadline({ plan, keys, expiresAt }, deps);
};

const fetchCredentials = async (
  task: SmokeTask,
  { askSidecar, now, pause }: ProbeDeps,
): Promise<Held | { readonly answer: string }> => {
  const until = now() + CREDENTIALS_TIMEOUT_MS;
  for (;;) {
    const { status, body } = await askSidecar(`/v1/tasks/${task}/credentials`).catch(
      (error: unknown): Response => ({ status: 0, body: JSON.stringify({ Code: String(error) }) }),
    );
    const answer = parseMapping(body);
    if (status === 200) return toHeld(answer);
    const isTemporary = status === 0 || status === 429 || status >= 500;
    if (!isTemporary || now() > until) {
      return { answer: `${status} ${toText(answer['Code'])}: ${toText(answer['Message'])}` };
    }
    await pause(INTERVAL_MS);
  }
};

const toText = (value: unknown): string => (typeof value === 'string' ? value : '');

const parseMapping = (text: string): Mapping => {
  try {
    return toMapping(JSON.parse(text));
  } catch {
    return {};
  }
};

const toHeld = (body: Mapping): Held => ({
  keys: {
    accessKeyId: toText(body['AccessKeyId']),
    secretAccessKey: toText(body['SecretAccessKey']),
    sessionToken: toText(body['Token']),
  },
  expiresAt: Date.parse(toText(body['Expiration'])),
});

type Access = { readonly plan: SmokeProbePlan; readonly keys: AwsKeys };

const signText = createTextSigner();

/** Signs GetObject, with the bucket in the path. */
const buildRead = (task: SmokeTask, { plan, keys }: Access, nowMs: number): SmokeReplay => {
  const { bucket, key } = plan.objects[task];
  const path = `/${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;
  const target = parseRequestTarget(path);
  if (!target.ok) throw new Error(`object ${bucket}/${key}: expected a path, got ${target.reason}`);
  const endpoint = new URL(plan.s3Endpoint);
  const signed = signRequest(
    { method: 'GET', target: target.target, headers: new Map([['host', endpoint.host]]) },
    { keys, region: plan.region, service: 's3', payloadHash: sha256(''), nowMs },
    signText,
  );
  return { url: `${endpoint.origin}${signed.path}`, headers: Object.fromEntries(signed.headers) };
};

const readObject = async (
  task: SmokeTask,
  access: Access,
  { sendToCloud, now }: ProbeDeps,
): Promise<{ readonly status: number; readonly answer: string }> => {
  try {
    const { status, body } = await sendToCloud(buildRead(task, access, now()));
    const [, code = ''] = status === 200 ? [] : (/<Code>([^<]{1,64})<\/Code>/.exec(body) ?? []);
    return { status, answer: `${status} ${code}`.trim() };
  } catch (error) {
    return { status: 0, answer: error instanceof Error ? error.message : 'no response' };
  }
};

const watchDeadline = async (
  { expiresAt, ...access }: Access & Pick<Held, 'expiresAt'>,
  deps: ProbeDeps,
): Promise<void> => {
  const [first] = SMOKE_TASKS;
  for (;;) {
    const { status, answer } = await readObject(first, access, deps);
    const overdueMs = deps.now() - expiresAt;
    const afterSeconds = Math.round(overdueMs / 1000);
    if (status === 200) deps.print({ step: 'valid' });
    if (DENIALS.has(answer)) {
      deps.print({ step: 'denied', afterSeconds, answer });
      return;
    }
    if (overdueMs > MAX_LATE_MS) {
      deps.print(status === 200 ? { step: 'remains', afterSeconds } : { step: 'failed', answer });
      return;
    }
    await deps.pause(INTERVAL_MS);
  }
};
