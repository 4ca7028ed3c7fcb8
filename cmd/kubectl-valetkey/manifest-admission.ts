import type { AdmissionRequest } from '../../lib/admission/review.ts';
import type { LoadCatalog } from '../../lib/catalog/catalog.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import { evaluateAdmission } from '../../lib/injection/admission.ts';
import type { AdmissionDeps } from '../../lib/injection/admission-inputs.ts';
import type { AdmissionDecision } from '../../lib/injection/admission-outcome.ts';
import { createTaskReader } from '../../lib/injection/declared-tasks.ts';
import { buildInjectionTemplate } from '../../lib/injection/injection-template.ts';
import { checkTaskGrants, type EvaluatePolicy } from '../../lib/injection/task-policy.ts';
import type { ReadSourcedPodContext, SourcedPodContext } from './pod-context.ts';

/** What admission would decide about a pod that is not created yet. Paths are the manifest's. */
export type ManifestResult = Pick<
  AdmissionDecision,
  'serviceAccount' | 'tasks' | 'faults' | 'exempted' | 'warnings'
> & {
  readonly namespace: string;
  /** Absent: the manifest is invalid, and no rule was evaluated. */
  readonly podContext?: SourcedPodContext;
};

export type ManifestOptions = {
  readonly platform: Platform;
  readonly loadCatalog: LoadCatalog;
  readonly namespace: string;
  readonly readPodContext: ReadSourcedPodContext;
  /** Default: only the SPIFFE IDs of the tasks are checked. */
  readonly evaluatePolicy?: EvaluatePolicy;
};

/**
 * Evaluates the pod of a manifest with the webhook's code: mutation, then validation.
 *
 * @returns undefined if Valetkey does not evaluate the pod
 * @throws KubernetesError
 */
export const evaluateManifest = async (
  pod: unknown,
  options: ManifestOptions,
): Promise<ManifestResult | undefined> => {
  const { platform, loadCatalog, namespace } = options;
  let podContext: SourcedPodContext | undefined;
  const { decision } = await evaluateAdmission('preview', buildRequest(pod, namespace), {
    ...createTemplates(platform),
    platform,
    readTasks: createTaskReader(platform, loadCatalog),
    evaluatePolicy: options.evaluatePolicy ?? createGrantCheck(platform),
    // The decision holds a PodContext without the source of its labels.
    readPodContext: async (subject) => {
      podContext = await options.readPodContext(subject);
      return podContext;
    },
  });
  if (decision === undefined) return undefined;
  const { serviceAccount, tasks, faults, exempted, warnings } = decision;
  const result = { namespace, serviceAccount, tasks, faults, exempted, warnings };
  return { ...result, ...(podContext && { podContext }) };
};

/** Injection and comparison use the same template, so any trust bundle will do. */
const ANY_TRUST_BUNDLE = 'any';

const createTemplates = (platform: Platform): Pick<AdmissionDeps, 'published' | 'templates'> => {
  const template = buildInjectionTemplate(platform, ANY_TRUST_BUNDLE);
  return { published: () => template, templates: () => new Map() };
};

/** Checks only the grants: `explain` evaluates and shows policy task by task. */
export const createGrantCheck =
  ({ authority, cloud }: Platform): EvaluatePolicy =>
  (request) =>
    Promise.resolve({
      faults: authority === undefined ? [] : checkTaskGrants(request, { cloud, authority }),
      warnings: [],
    });

const buildRequest = (object: unknown, namespace: string): AdmissionRequest => ({
  uid: 'manifest',
  operation: 'CREATE',
  kind: { group: '', version: 'v1', kind: 'Pod' },
  subResource: '',
  namespace,
  name: '',
  dryRun: true,
  user: { name: '', groups: [] },
  object,
});
