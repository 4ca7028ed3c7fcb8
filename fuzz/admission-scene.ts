import { createTaskReader } from '../lib/injection/declared-tasks.ts';
import { createAdmissionRoutes } from '../cmd/webhook/routes.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../lib/admission/review.ts';
import { createCatalogLoader } from '../lib/catalog/catalog.ts';
import type { JsonPatchOp } from '../lib/contract/json-patch-operation.ts';
import { createJsonApp } from '../lib/edge/http/json-app.ts';
import { platform } from '../lib/injection/fixtures/sample-platform.ts';
import { applyPatch } from '../lib/injection/json-patch.ts';
import { createPodAdmission } from '../lib/injection/admission.ts';
import { buildInjectionTemplate } from '../lib/injection/injection-template.ts';

export const readTasks = createTaskReader(platform, createCatalogLoader());

const publishedTemplate = buildInjectionTemplate(platform);
const admission = createPodAdmission({
  platform,
  published: () => publishedTemplate,
  templates: () => new Map(),
  readTasks,
});

const buildAdmissionRequest = (
  object: unknown,
  more: Partial<AdmissionRequest>,
): AdmissionRequest => ({
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
export const mutateObject = (
  object: unknown,
  more: Partial<AdmissionRequest> = {},
): Promise<AdmissionOutcome> => admission.mutate(buildAdmissionRequest(object, more));

/** The same of the validating webhook. */
export const validateObject = (
  object: unknown,
  more: Partial<AdmissionRequest> = {},
): Promise<AdmissionOutcome> => admission.validate(buildAdmissionRequest(object, more));

/** The object as an API server makes it of the answer. @throws Error when the patch does not fit */
export const applyOutcome = (object: unknown, { patch }: AdmissionOutcome): unknown =>
  patch === undefined ? object : applyPatch(object, readPatchOperations(patch));

const readPatchOperations = (patch: string): readonly JsonPatchOp[] =>
  JSON.parse(Buffer.from(patch, 'base64').toString()) as readonly JsonPatchOp[];

const ignoreCall = (): void => undefined;

/** The webhook's own handler, with its metrics and log left out; bugs are collected. */
export const createAdmissionApp = () => {
  const bugs: unknown[] = [];
  const reportInternalError = (error: unknown): string => `bug-${bugs.push(error)}`;
  const posts = createAdmissionRoutes({
    admission,
    admitPolicy: undefined,
    templates: { refreshIfUnknown: () => Promise.resolve() },
    metrics: { admissionAnswered: ignoreCall },
    log: { debug: ignoreCall, info: ignoreCall, warn: ignoreCall, error: ignoreCall },
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    reportInternalError,
  });
  return { handler: createJsonApp({ posts, unready: () => [], reportInternalError }), bugs };
};
