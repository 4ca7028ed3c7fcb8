import type { LoadCatalog } from '../../lib/catalog/catalog.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import { createTaskPolicyEvaluator, type EvaluatePolicy } from '../../lib/injection/task-policy.ts';
import { evaluateAdmissionPolicy } from '../../lib/policy/admission-decision.ts';
import { compilePolicies, type CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { toPolicyText } from '../../lib/policy/policy-text.ts';
import type { Upstreams } from '../../lib/policy/upstream-pairs.ts';
import { STARTER_LABEL } from '../../lib/policy/starter-policy.ts';
import type { ClusterClient } from './cluster.ts';
import { createGrantCheck } from './manifest-admission.ts';
import type { Manifest } from './manifests.ts';
import type { ReadSourcedPodContext } from './pod-context.ts';

export type LintPolicyOptions = {
  readonly platform: Platform;
  readonly loadCatalog: LoadCatalog;
  /** Absent: they are not known, so policy is not evaluated. */
  readonly policies?: CompiledPolicies;
  /** Absent: they are not known, so that tasks that name one are not evaluated. */
  readonly upstreams?: Upstreams;
  readonly readPodContext: ReadSourcedPodContext;
  /** Milliseconds since the epoch. */
  readonly now: number;
};

/**
 * Evaluates policy as admission does. Where something is missing it warns instead, because a
 * manifest is not wrong for what this check does not know.
 */
export const createLintPolicy = (options: LintPolicyOptions): EvaluatePolicy => {
  const { platform, policies, upstreams, loadCatalog, now } = options;
  const checkSubjects = createGrantCheck(platform);
  if (platform.authority === undefined) return checkSubjects;
  return async (request) => {
    const { labels, labelsFrom } = await options.readPodContext(request);
    const { namespace } = request;
    const isLabeled = labels?.[STARTER_LABEL.name] === STARTER_LABEL.value;
    const hint = `namespace ${namespace} has no label ${STARTER_LABEL.name}=${STARTER_LABEL.value}, which the starter policy requires`;
    const lacksLabel = labelsFrom !== 'unknown' && !isLabeled;
    if (policies === undefined || labels === undefined || platform.authority === undefined) {
      const { faults } = await checkSubjects(request);
      const unknown = `policy is not evaluated: the labels of namespace ${namespace} are unknown; add the Namespace to the files`;
      const warnings = policies === undefined ? [] : [unknown];
      return { faults, warnings: lacksLabel ? [hint] : warnings };
    }
    const result = await createTaskPolicyEvaluator({
      platform,
      authority: platform.authority,
      readPolicies: () => policies,
      ...(upstreams && { readUpstreams: () => upstreams }),
      now: () => now,
      readNamespaceLabels: () => Promise.resolve(labels),
      evaluateTask: (compiled, task) =>
        evaluateAdmissionPolicy({ policies: compiled, loadCatalog }, task),
    })(request);
    const isHelpful = lacksLabel && result.faults.length > 0 && readsStarterLabel(policies);
    return isHelpful ? { ...result, warnings: [...result.warnings, hint] } : result;
  };
};

const readsStarterLabel = ({ texts }: CompiledPolicies): boolean =>
  Object.values(texts).some((text) => text.includes(STARTER_LABEL.name));

/** Compiles the TaskPolicies of files. */
export const compileFilePolicies = (manifests: readonly Manifest[]): CompiledPolicies =>
  compilePolicies(listFilePolicies(manifests));

/** Compiles the cluster's TaskPolicies as they will be after the files are applied. */
export const compileAppliedPolicies = async (
  manifests: readonly Manifest[],
  cluster: Pick<ClusterClient, 'listPolicies'>,
): Promise<CompiledPolicies> => {
  const applied = listFilePolicies(manifests);
  const names = new Set(applied.map(({ name }) => name));
  const stored = (await cluster.listPolicies()).map(toPolicyText);
  return compilePolicies([...stored.filter(({ name }) => !names.has(name)), ...applied]);
};

const listFilePolicies = (manifests: readonly Manifest[]) =>
  manifests.flatMap(({ name, content }) =>
    content.type === 'policy' ? [{ name, cedar: content.cedar }] : [],
  );
