import { createTaskChecker } from '../../cmd/webhook/task-judgement.ts';
import { admitPolicy } from '../../cmd/webhook/policy-admission.ts';
import { listStaticViolations } from '../../lib/admission-policies/fixtures/static-violations.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../../lib/admission/review.ts';
import { createCatalogLoader } from '../../lib/catalog/catalog.ts';
import type { JsonPatchOp } from '../../lib/contract/json-patch-operation.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import { isInScope } from '../../lib/injection/webhook-scope.ts';
import { hasTaskDeclarations } from '../../lib/injection/consumers.ts';
import { createTaskReader } from '../../lib/injection/declared-tasks.ts';
import { authorityPlatform, TRUST_BUNDLE } from '../../lib/injection/fixtures/sample-platform.ts';
import { applyPatch } from '../../lib/injection/json-patch.ts';
import { evaluateLivePod } from '../../lib/injection/live-pod.ts';
import { createPodAdmission } from '../../lib/injection/admission.ts';
import { buildInjectionTemplate } from '../../lib/injection/injection-template.ts';
import { compilePolicies } from '../../lib/policy/compiled-policies.ts';
import { STARTER_POLICY } from '../../lib/policy/starter-policy.ts';
import { BOUND_ROLE_ANNOTATION, BOUND_ACCOUNT } from '../../e2e/attacks/base-pods.ts';
import { parseRefusal } from '../../e2e/attacks/admission-refusals.ts';
import type { AdmissionRefusal } from '../../e2e/attacks/admission-refusals.ts';

/** As the stories install it, as far as an attack may notice. */
const platform: Platform = {
  ...authorityPlatform,
  cloud: { ...authorityPlatform.cloud, dialect: 's3', bind: { mode: 'podIP' } },
  pods: { ...authorityPlatform.pods, breakGlassGroup: 'e2e-break-glass' },
};

const publishedTemplate = buildInjectionTemplate(platform, TRUST_BUNDLE);
const loadCatalog = createCatalogLoader();

const createTaskEvaluator = () => {
  const { authority } = platform;
  if (authority === undefined) throw new Error('the platform of the rehearsal has no authority');
  const policies = compilePolicies([{ name: 'valetkey-starter', cedar: STARTER_POLICY }]);
  return createTaskChecker({
    ...{ platform, authority, loadCatalog },
    policies: { current: () => policies },
    readNamespaceLabels: () => Promise.resolve({ 'valetkey.dev/tasks': 'allowed' }),
  });
};

const admission = createPodAdmission({
  platform,
  published: () => publishedTemplate,
  templates: () => new Map(),
  readTasks: createTaskReader(platform, loadCatalog),
  evaluatePolicy: createTaskEvaluator(),
  readPodContext: ({ serviceAccount }) => {
    const annotations = serviceAccount === BOUND_ACCOUNT ? BOUND_ROLE_ANNOTATION : {};
    return Promise.resolve({ serviceAccount: { name: serviceAccount, annotations } });
  },
});

const NAMESPACE = 'attacks';

const buildAdmissionRequest = (more: Partial<AdmissionRequest>): AdmissionRequest => ({
  ...{ uid: 'a-uid', operation: 'CREATE', subResource: '', namespace: NAMESPACE, name: 'attack' },
  kind: { group: '', version: 'v1', kind: 'Pod' },
  dryRun: false,
  user: { name: 'editor', groups: ['system:authenticated'] },
  ...more,
});

/** The pod as the mutating webhook leaves it. @throws Error where it refuses */
export const injectPod = async (pod: Pod): Promise<Pod> => {
  const outcome = await admission.mutate(buildAdmissionRequest({ object: pod }));
  if (!outcome.allowed) throw new Error(outcome.status?.message ?? 'refused');
  return applyPatch(pod, readPatchOperations(outcome)) as Pod;
};

const readPatchOperations = ({ patch }: AdmissionOutcome): readonly JsonPatchOp[] =>
  patch === undefined
    ? []
    : (JSON.parse(Buffer.from(patch, 'base64').toString()) as readonly JsonPatchOp[]);

/**
 * What the first of them says that refuses a new pod: the mutating webhook, then the policy of rules 3
 * to 6, then the validating webhook; of no breach, where all welcome it.
 */
export const evaluatePodCreation = async (pod: Pod): Promise<AdmissionRefusal> => {
  const mutated = hasTaskDeclarations(pod)
    ? await admission.mutate(buildAdmissionRequest({ object: pod }))
    : undefined;
  if (mutated?.allowed === false) return toWebhookRefusal('mutate', mutated);
  const final = (
    mutated === undefined ? pod : applyPatch(pod, readPatchOperations(mutated))
  ) as Pod;
  const breaches = isInScope({ pod: final, oldPod: undefined }, platform)
    ? listStaticViolations(final, { platform, namespace: NAMESPACE })
    : [];
  if (breaches.length > 0) return toPolicyRefusal(breaches);
  return toWebhookRefusal(
    'validate',
    await admission.validate(buildAdmissionRequest({ object: final })),
  );
};

/** What the validating webhook says of a change of a pod. */
export const evaluatePodUpdate = async (
  { pod, oldPod }: { readonly pod: unknown; readonly oldPod: Pod },
  groups: readonly string[],
): Promise<AdmissionRefusal> => {
  const asked = { operation: 'UPDATE', object: pod, oldObject: oldPod } as const;
  const user = { name: 'editor', groups };
  return toWebhookRefusal(
    'validate',
    await admission.validate(buildAdmissionRequest({ ...asked, user })),
  );
};

/** What the webhook for TaskPolicies says of a new one. */
export const evaluateTaskPolicy = (object: unknown): AdmissionRefusal => {
  const kind = { group: 'valetkey.dev', version: 'v1alpha1', kind: 'TaskPolicy' };
  return toWebhookRefusal('policies', admitPolicy(buildAdmissionRequest({ kind, object })));
};

/** Paths that the authority names in a pod that lives all the same. */
export const checkRunningPod = (pod: unknown): readonly string[] => {
  const templates = new Map([[publishedTemplate.hash, publishedTemplate.template]]);
  const judged = evaluateLivePod(pod, { platform, templates });
  return judged.ok ? [] : judged.faults.map(({ path }) => path);
};

/** As the API server passes a webhook's words on. */
const toWebhookRefusal = (
  webhook: string,
  { allowed, status }: AdmissionOutcome,
): AdmissionRefusal => {
  const said = `admission webhook "${webhook}.valetkey.dev" denied the request: `;
  return parseRefusal({ message: allowed ? '' : `${said}${status?.message ?? ''}` });
};

/** @param breaches `<rule> <path>` */
const toPolicyRefusal = (breaches: readonly string[]): AdmissionRefusal => {
  const lines = breaches.map((each) => each.replace(/^(\d+) (.*)$/, '$2: expected … (rule $1)'));
  const said =
    "ValidatingAdmissionPolicy 'valetkey-pods' with binding 'valetkey-pods' denied request: ";
  return parseRefusal({ message: `${said}${lines.join('; ')}` });
};
