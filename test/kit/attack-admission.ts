import { admitPolicy } from '../../cmd/webhook/policy-admission.ts';
import { parseRefusal, type AdmissionRefusal } from '../../e2e/attacks/admission-refusals.ts';
import { BOUND_ACCOUNT, BOUND_ROLE_ANNOTATION } from '../../e2e/attacks/base-pods.ts';
import { listStaticViolations } from './static-violations.ts';
import type { AdmissionOutcome } from '../../lib/admission/review.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import { hasTaskDeclarations } from '../../lib/injection/consumers.ts';
import { authorityPlatform } from '../../lib/injection/fixtures/sample-platform.ts';
import { evaluateLivePod } from '../../lib/injection/live-pod.ts';
import { isInScope } from '../../lib/injection/webhook-scope.ts';
import { applyOutcome, buildPodRequest, createInProcessAdmission } from './in-process-admission.ts';

/** As the end-to-end tests install it, in every setting that an attack can notice. */
const platform: Platform = {
  ...authorityPlatform,
  cloud: {
    ...authorityPlatform.cloud,
    ...{ dialect: 's3', sourceRestriction: { mode: 'podIP' } },
    endpoints: [{ service: 's3', url: 'https://s3.example' }],
  },
  tasks: { ...authorityPlatform.tasks, accountIds: [] },
  pods: { ...authorityPlatform.pods, breakGlassGroup: 'e2e-break-glass' },
};

const admission = createInProcessAdmission({
  platform,
  hasStarterPolicy: true,
  readPodContext: ({ serviceAccount }) => {
    const annotations = serviceAccount === BOUND_ACCOUNT ? BOUND_ROLE_ANNOTATION : {};
    return Promise.resolve({ serviceAccount: { name: serviceAccount, annotations } });
  },
});

const NAMESPACE = 'attacks';
const REQUEST = {
  namespace: NAMESPACE,
  name: 'attack',
  user: { name: 'editor', groups: ['system:authenticated'] },
};

/** The pod after the mutating webhook. @throws Error if the webhook denies it */
export const injectPod = (pod: Pod): Promise<Pod> => admission.inject(pod, REQUEST);

/**
 * The first refusal of a new pod: by the mutating webhook, by the admission policy of rules 3 to 6,
 * or by the validating webhook. Without violations if all of them admit the pod.
 */
export const evaluatePodCreation = async (pod: Pod): Promise<AdmissionRefusal> => {
  const mutated: AdmissionOutcome = hasTaskDeclarations(pod)
    ? await admission.mutate(buildPodRequest(pod, REQUEST))
    : { allowed: true };
  if (!mutated.allowed) return toWebhookRefusal('mutate', mutated);
  const final = applyOutcome(pod, mutated) as Pod;
  const violations = isInScope({ pod: final, oldPod: undefined }, platform)
    ? listStaticViolations(final, { platform, namespace: NAMESPACE })
    : [];
  if (violations.length > 0) return toPolicyRefusal(violations);
  const validated = await admission.validate(buildPodRequest(final, REQUEST));
  return toWebhookRefusal('validate', validated);
};

/** The validating webhook's refusal of a changed pod. */
export const evaluatePodUpdate = async (
  { pod, oldPod }: { readonly pod: unknown; readonly oldPod: Pod },
  groups: readonly string[],
): Promise<AdmissionRefusal> => {
  const user = { name: 'editor', groups };
  const request = { ...REQUEST, operation: 'UPDATE', oldObject: oldPod, user } as const;
  return toWebhookRefusal('validate', await admission.validate(buildPodRequest(pod, request)));
};

/** The refusal of a new TaskPolicy. */
export const evaluateTaskPolicy = (object: unknown): AdmissionRefusal => {
  const kind = { group: 'valetkey.dev', version: 'v1alpha1', kind: 'TaskPolicy' };
  return toWebhookRefusal(
    'policies',
    admitPolicy(buildPodRequest(object, { ...REQUEST, kind }), { vend: 'free', now: Date.now }),
  );
};

/** Paths of the violations for which the authority refuses a running pod. */
export const checkRunningPod = (pod: unknown): readonly string[] => {
  const { hash, template } = admission.template;
  const evaluated = evaluateLivePod(pod, { platform, templates: new Map([[hash, template]]) });
  return evaluated.ok ? [] : evaluated.faults.map(({ path }) => path);
};

/** As the API server passes on a webhook's message. */
const toWebhookRefusal = (
  webhook: string,
  { allowed, status }: AdmissionOutcome,
): AdmissionRefusal => {
  const prefix = `admission webhook "${webhook}.valetkey.dev" denied the request: `;
  return parseRefusal({ message: allowed ? '' : `${prefix}${status?.message ?? ''}` });
};

/** @param violations `<rule> <path>` */
const toPolicyRefusal = (violations: readonly string[]): AdmissionRefusal => {
  const lines = violations.map((each) => each.replace(/^(\d+) (.*)$/, '$2: expected … (rule $1)'));
  const prefix =
    "ValidatingAdmissionPolicy 'valetkey-pods' with binding 'valetkey-pods' denied request: ";
  return parseRefusal({ message: `${prefix}${lines.join('; ')}` });
};
