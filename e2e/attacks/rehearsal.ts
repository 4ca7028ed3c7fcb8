import { judgeTasksBy } from '../../cmd/webhook/task-judgement.ts';
import { admitPolicy } from '../../cmd/webhook/policy-admission.ts';
import { staticBreaches } from '../../lib/admission-policies/fixtures/static-breaches.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../../lib/admission/review.ts';
import { openCatalogue } from '../../lib/catalogue/catalogue.ts';
import type { JsonPatchOp } from '../../lib/contract/json-patch.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import { isAsked } from '../../lib/injection/asking.ts';
import { declaresTasks } from '../../lib/injection/consumers.ts';
import { declaredTasks } from '../../lib/injection/declared-tasks.ts';
import { authorityPlatform, ROOTS } from '../../lib/injection/fixtures/platform.ts';
import { applyPatch } from '../../lib/injection/json-patch.ts';
import { judgeLivePod } from '../../lib/injection/live-pod.ts';
import { podAdmission } from '../../lib/injection/pod-admission.ts';
import { profileOf } from '../../lib/injection/profile.ts';
import { openPolicies } from '../../lib/policy/policies.ts';
import { STARTER_POLICY } from '../../lib/policy/starter.ts';
import { BINDING, BOUND_ACCOUNT } from './base-pods.ts';
import { refusalIn } from './refusals.ts';
import type { Refusal } from './refusals.ts';

/** As the stories install it, as far as an attack may notice. */
const platform: Platform = {
  ...authorityPlatform,
  cloud: { ...authorityPlatform.cloud, dialect: 's3', bind: { mode: 'podIP' } },
  pods: { ...authorityPlatform.pods, breakGlassGroup: 'story-break-glass' },
};

const published = profileOf(platform, ROOTS);
const loadCatalogue = openCatalogue();

const openJudgeTasks = () => {
  const { authority } = platform;
  if (authority === undefined) throw new Error('the platform of the rehearsal has no authority');
  const policies = openPolicies([{ name: 'valetkey-starter', cedar: STARTER_POLICY }]);
  return judgeTasksBy({
    ...{ platform, authority, loadCatalogue },
    policies: { current: () => policies },
    readNamespaceLabels: () => Promise.resolve({ 'valetkey.dev/tasks': 'allowed' }),
  });
};

const admission = podAdmission({
  platform,
  published: () => published,
  profiles: () => new Map(),
  readTasks: declaredTasks(platform, loadCatalogue),
  judgeTasks: openJudgeTasks(),
  readSurroundings: ({ serviceAccount }) => {
    const annotations = serviceAccount === BOUND_ACCOUNT ? BINDING : {};
    return Promise.resolve({ serviceAccount: { name: serviceAccount, annotations } });
  },
});

const NAMESPACE = 'attacks';

const request = (more: Partial<AdmissionRequest>): AdmissionRequest => ({
  ...{ uid: 'a-uid', operation: 'CREATE', subResource: '', namespace: NAMESPACE, name: 'attack' },
  kind: { group: '', version: 'v1', kind: 'Pod' },
  dryRun: false,
  user: { name: 'editor', groups: ['system:authenticated'] },
  ...more,
});

/** The pod as the mutating webhook leaves it. @throws Error where it refuses */
export const inject = async (pod: Pod): Promise<Pod> => {
  const outcome = await admission.mutate(request({ object: pod }));
  if (!outcome.allowed) throw new Error(outcome.status?.message ?? 'refused');
  return applyPatch(pod, operationsIn(outcome)) as Pod;
};

const operationsIn = ({ patch }: AdmissionOutcome): readonly JsonPatchOp[] =>
  patch === undefined
    ? []
    : (JSON.parse(Buffer.from(patch, 'base64').toString()) as readonly JsonPatchOp[]);

/**
 * What the first of them says that refuses a new pod: the mutating webhook, then the policy of rules 3
 * to 6, then the validating webhook; of no breach, where all welcome it.
 */
export const judgeCreation = async (pod: Pod): Promise<Refusal> => {
  const mutated = declaresTasks(pod) ? await admission.mutate(request({ object: pod })) : undefined;
  if (mutated?.allowed === false) return saidBy('mutate', mutated);
  const final = (mutated === undefined ? pod : applyPatch(pod, operationsIn(mutated))) as Pod;
  const breaches = isAsked({ pod: final, oldPod: undefined }, platform)
    ? staticBreaches(final, { platform, namespace: NAMESPACE })
    : [];
  if (breaches.length > 0) return saidByPolicy(breaches);
  return saidBy('validate', await admission.validate(request({ object: final })));
};

/** What the validating webhook says of a change of a pod. */
export const judgeChange = async (
  { pod, oldPod }: { readonly pod: unknown; readonly oldPod: Pod },
  groups: readonly string[],
): Promise<Refusal> => {
  const asked = { operation: 'UPDATE', object: pod, oldObject: oldPod } as const;
  const user = { name: 'editor', groups };
  return saidBy('validate', await admission.validate(request({ ...asked, user })));
};

/** What the webhook for TaskPolicies says of a new one. */
export const judgeTaskPolicy = (object: unknown): Refusal => {
  const kind = { group: 'valetkey.dev', version: 'v1alpha1', kind: 'TaskPolicy' };
  return saidBy('policies', admitPolicy(request({ kind, object })));
};

/** Paths that the authority names in a pod that lives all the same. */
export const judgeLife = (pod: unknown): readonly string[] => {
  const profiles = new Map([[published.hash, published.profile]]);
  const judged = judgeLivePod(pod, { platform, profiles });
  return judged.ok ? [] : judged.faults.map(({ path }) => path);
};

/** As the API server passes a webhook's words on. */
const saidBy = (webhook: string, { allowed, status }: AdmissionOutcome): Refusal => {
  const said = `admission webhook "${webhook}.valetkey.dev" denied the request: `;
  return refusalIn({ message: allowed ? '' : `${said}${status?.message ?? ''}` });
};

/** @param breaches `<rule> <path>` */
const saidByPolicy = (breaches: readonly string[]): Refusal => {
  const lines = breaches.map((each) => each.replace(/^(\d+) (.*)$/, '$2: expected … (rule $1)'));
  const said =
    "ValidatingAdmissionPolicy 'valetkey-pods' with binding 'valetkey-pods' denied request: ";
  return refusalIn({ message: `${said}${lines.join('; ')}` });
};
