import { declaredTasks } from '../lib/injection/declared-tasks.ts';
import { admissionRoutes } from '../cmd/webhook/routes.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../lib/admission/review.ts';
import { openCatalogue } from '../lib/catalogue/catalogue.ts';
import type { JsonPatchOp } from '../lib/contract/json-patch.ts';
import { createJsonApp } from '../lib/edge/http/express-app.ts';
import { platform } from '../lib/injection/fixtures/platform.ts';
import { applyPatch } from '../lib/injection/json-patch.ts';
import { podAdmission } from '../lib/injection/pod-admission.ts';
import { profileOf } from '../lib/injection/profile.ts';

export const readTasks = declaredTasks(platform, openCatalogue());

const published = profileOf(platform);
const admission = podAdmission({
  platform,
  published: () => published,
  profiles: () => new Map(),
  readTasks,
});

const request = (object: unknown, more: Partial<AdmissionRequest>): AdmissionRequest => ({
  uid: 'a-uid',
  operation: 'CREATE',
  kind: { group: '', version: 'v1', kind: 'Pod' },
  subResource: '',
  namespace: 'research',
  name: '',
  dryRun: false,
  user: { name: 'somebody', groups: [] },
  object,
  ...more,
});

/** What the mutating webhook says of an object, whatever it is. */
export const mutate = (
  object: unknown,
  more: Partial<AdmissionRequest> = {},
): Promise<AdmissionOutcome> => admission.mutate(request(object, more));

/** The same of the validating webhook. */
export const validate = (
  object: unknown,
  more: Partial<AdmissionRequest> = {},
): Promise<AdmissionOutcome> => admission.validate(request(object, more));

/** The object as an API server makes it of the answer. @throws Error when the patch does not fit */
export const changedBy = (object: unknown, { patch }: AdmissionOutcome): unknown =>
  patch === undefined ? object : applyPatch(object, operationsIn(patch));

const operationsIn = (patch: string): readonly JsonPatchOp[] =>
  JSON.parse(Buffer.from(patch, 'base64').toString()) as readonly JsonPatchOp[];

const silent = (): void => undefined;

/** The webhook's own handler, with its metrics and log left out; bugs are collected. */
export const openAdmissionApp = () => {
  const bugs: unknown[] = [];
  const onBug = (error: unknown): string => `bug-${bugs.push(error)}`;
  const posts = admissionRoutes({
    admission,
    admitPolicy: undefined,
    profiles: { seek: () => Promise.resolve() },
    metrics: { admissionAnswered: silent },
    log: { debug: silent, info: silent, warn: silent, error: silent },
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    onBug,
  });
  return { handler: createJsonApp({ posts, unready: () => [], onBug }), bugs };
};
