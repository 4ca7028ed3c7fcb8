import type { AdmissionOutcome, AdmissionRequest } from '../../lib/admission/review.ts';
import { createCatalogLoader } from '../../lib/catalog/catalog.ts';
import type { JsonPatchOp } from '../../lib/contract/json-patch-operation.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import { evaluateAdmission, type AdmissionStage } from '../../lib/injection/admission.ts';
import type { AdmissionDeps } from '../../lib/injection/admission-inputs.ts';
import { createTaskReader } from '../../lib/injection/declared-tasks.ts';
import { TRUST_BUNDLE } from '../../lib/injection/fixtures/sample-platform.ts';
import {
  buildInjectionTemplate,
  type PublishedTemplate,
} from '../../lib/injection/injection-template.ts';
import { applyPatch } from '../../lib/injection/json-patch.ts';
import { createTaskPolicyEvaluator } from '../../lib/injection/task-policy.ts';
import { evaluateAdmissionPolicy } from '../../lib/policy/admission-decision.ts';
import { compilePolicies } from '../../lib/policy/compiled-policies.ts';
import { STARTER_POLICY } from '../../lib/policy/starter-policy.ts';

export const loadCatalog = createCatalogLoader();

const starterPolicies = compilePolicies([{ name: 'valetkey-starter', cedar: STARTER_POLICY }]);

export type InProcessAdmissionOptions = Pick<AdmissionDeps, 'platform'> &
  Partial<Pick<AdmissionDeps, 'readTasks' | 'readPodContext' | 'findUpstreamUrl'>> & {
    /** Whether the starter policy decides, in a namespace that it permits. */
    readonly hasStarterPolicy?: boolean;
  };

/** Both webhooks for pods, without a server. */
export type InProcessAdmission = {
  readonly template: PublishedTemplate;
  readonly mutate: (request: AdmissionRequest) => Promise<AdmissionOutcome>;
  readonly validate: (request: AdmissionRequest) => Promise<AdmissionOutcome>;
  /** The object after the mutating webhook. Throws if the webhook denies the object. */
  readonly inject: (object: unknown, changes?: Partial<AdmissionRequest>) => Promise<Pod>;
};

/** Evaluates pods with the webhook's code and the settings given. */
export const createInProcessAdmission = (
  options: InProcessAdmissionOptions,
): InProcessAdmission => {
  const { platform, hasStarterPolicy = false, readPodContext, findUpstreamUrl } = options;
  const template = buildInjectionTemplate(platform, TRUST_BUNDLE);
  const deps: AdmissionDeps = {
    platform,
    published: () => template,
    templates: () => new Map(),
    readTasks: options.readTasks ?? createTaskReader(platform, loadCatalog),
    ...(hasStarterPolicy && { evaluatePolicy: createStarterPolicyEvaluator(platform) }),
    ...(readPodContext && { readPodContext }),
    ...(findUpstreamUrl && { findUpstreamUrl }),
  };
  const evaluate = (stage: AdmissionStage) => async (request: AdmissionRequest) =>
    (await evaluateAdmission(stage, request, deps)).outcome;
  const mutate = evaluate('mutate');
  const inject: InProcessAdmission['inject'] = async (object, changes) => {
    const outcome = await mutate(buildPodRequest(object, changes));
    if (!outcome.allowed) throw new Error(outcome.status?.message ?? 'denied');
    return applyOutcome(object, outcome) as Pod;
  };
  return { template, mutate, validate: evaluate('validate'), inject };
};

const createStarterPolicyEvaluator = (platform: Platform) => {
  const { authority } = platform;
  if (authority === undefined) throw new Error('the starter policy needs trust: authority');
  return createTaskPolicyEvaluator({
    platform,
    authority,
    readPolicies: () => starterPolicies,
    now: Date.now,
    readNamespaceLabels: () => Promise.resolve({ 'valetkey.dev/tasks': 'allowed' }),
    evaluateTask: (policies, request) =>
      evaluateAdmissionPolicy({ policies, loadCatalog }, request),
  });
};

/** A request to create a pod in the namespace `research`. */
export const buildPodRequest = (
  object: unknown,
  changes: Partial<AdmissionRequest> = {},
): AdmissionRequest => ({
  uid: 'a-uid',
  operation: 'CREATE',
  kind: { group: '', version: 'v1', kind: 'Pod' },
  subResource: '',
  namespace: 'research',
  name: '',
  dryRun: false,
  user: { name: 'author', groups: [] },
  object,
  ...changes,
});

/** The object as the API server stores it. @throws Error if the patch does not fit the object */
export const applyOutcome = (object: unknown, outcome: AdmissionOutcome): unknown =>
  applyPatch(object, readPatchOperations(outcome));

const readPatchOperations = ({ patch }: AdmissionOutcome): readonly JsonPatchOp[] =>
  patch === undefined
    ? []
    : (JSON.parse(Buffer.from(patch, 'base64').toString()) as readonly JsonPatchOp[]);
