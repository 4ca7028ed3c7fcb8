import type { LoadCatalog } from '../../lib/catalog/catalog.ts';
import type { ExemptedRules } from '../../lib/contract/exempted-rules.ts';
import { INJECTION_TEMPLATES_CONFIG_MAP } from '../../lib/contract/names.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import type { Task } from '../../lib/contract/task.ts';
import { hasTaskDeclarations, findTasksEnvValue } from '../../lib/injection/consumers.ts';
import { evaluateLivePod } from '../../lib/injection/live-pod.ts';
import { parsePod } from '../../lib/injection/pod-schema.ts';
import { readTemplates } from '../../lib/injection/accepted-templates.ts';
import { getServiceAccountName } from '../../lib/injection/pod-context.ts';
import { EXEMPTION_TEXT } from '../../lib/injection/exemptions.ts';
import { formatValue, type FieldError } from '../../lib/schema/field-error.ts';
import { isInForce, matchesRun, type PodTarget } from '../../lib/revocation/matching.ts';
import { formatTarget } from '../../lib/revocation/observed-revocations.ts';
import { readRevocation } from '../../lib/revocation/revocation.ts';
import { readAdmittedTasks } from '../../lib/task/admitted-tasks.ts';
import { revalidateTasks } from '../../lib/task/revalidation.ts';
import type { ClusterClient } from './cluster.ts';
import type { ExplainContext, PodToExplain } from './explain-report.ts';
import { explainFixedKey } from './fixed-key.ts';
import { createPodContextReader } from './pod-context.ts';
import { createProblemError } from './tool-error.ts';

/**
 * Reads a running pod as the authority reads it, and lists every reason to refuse it.
 *
 * @throws ToolError if the pod does not exist; KubernetesError
 */
export const readLivePod = async (
  { namespace, name }: { readonly namespace: string; readonly name: string },
  cluster: ClusterClient,
  { platform, loadCatalog, now }: ExplainContext,
): Promise<PodToExplain> => {
  const raw = await cluster.readPod({ namespace, name });
  if (raw === undefined) {
    throw createProblemError([
      { path: `pod ${namespace}/${name}`, expected: 'a pod', got: 'none' },
    ]);
  }
  const { status, ...pod } = raw as LiveStatus;
  const serviceAccount = getServiceAccountName(pod);
  const account = { namespace, serviceAccount };
  const podContext = await createPodContextReader({ manifests: [], namespace, cluster })(account);
  const { labels: namespaceLabels = {}, serviceAccount: annotated } = podContext;
  const { templates } = readTemplates(
    (await cluster.readConfigMap(INJECTION_TEMPLATES_CONFIG_MAP)) ?? {},
  );
  const ruleResult = evaluateLivePod(raw, {
    platform,
    templates,
    namespaceLabels,
    ...(annotated && { serviceAccount: annotated }),
  });
  const admitted = await readAdmitted(raw, platform, loadCatalog);
  const target = { ...account, pod: name, podUid: pod.metadata?.uid ?? '' };
  const revoked = await findRevocationErrors(target, admitted.tasks, { cluster, platform, now });
  return {
    ...account,
    pod: name,
    podContext,
    faults: [...(ruleResult.ok ? [] : ruleResult.faults), ...admitted.faults, ...revoked],
    exempted: ruleResult.ok
      ? [...formatExemptions(ruleResult.value.exempted), ...ruleResult.value.allowedViolations]
      : [],
    warnings: admitted.warnings,
    tasks: admitted.tasks,
    ...explainFixedKey(raw, { platform, namespace, tasks: admitted.tasks }),
    ...(status?.podIPs !== undefined && { podIps: status.podIPs.map(({ ip }) => ip) }),
  };
};

const formatExemptions = ({ exemptions, warned }: ExemptedRules): readonly string[] => [
  ...exemptions.map((id) => `rule ${id} is violated: ${EXEMPTION_TEXT.exemption}`),
  ...warned.map((id) => `rule ${id} is violated: ${EXEMPTION_TEXT.mode}`),
];

/** Lists the Revocations in force that match a task. They apply regardless of policy. */
const findRevocationErrors = async (
  pod: PodTarget,
  tasks: readonly Task[],
  {
    cluster,
    platform,
    now,
  }: { readonly cluster: ClusterClient } & Pick<ExplainContext, 'platform' | 'now'>,
): Promise<readonly FieldError[]> => {
  if (platform.authority === undefined) return [];
  const revocations = (await cluster.listRevocations()).map(readRevocation);
  return revocations
    .flatMap((each) => (each.ok ? [each.value] : []))
    .filter(({ spec }) => isInForce(spec, now))
    .filter((each) => tasks.some(({ name }) => matchesRun(each, { ...pod, task: name })))
    .map(({ name, spec }) => ({
      path: `revocation ${name}`,
      expected: 'none in force',
      got: `${formatTarget(spec)} revoked by ${spec.by}: ${formatValue(spec.reason)}`,
    }));
};

type LiveStatus = Pick<Pod, 'metadata' | 'spec'> & {
  readonly status?: { readonly podIPs?: readonly { readonly ip: string }[] };
};

type Admitted = Pick<PodToExplain, 'tasks' | 'faults' | 'warnings'>;

/** Reads the admitted tasks, even of a pod that violates a rule, so that the report is complete. */
const readAdmitted = async (
  raw: unknown,
  { tasks: limits, cloud }: Platform,
  loadCatalog: LoadCatalog,
): Promise<Admitted> => {
  const pod = parsePod(raw);
  const variable = pod.ok ? findTasksEnvValue(pod.value) : undefined;
  const admitted = readAdmittedTasks(variable?.text ?? '');
  if (!admitted.ok) {
    const declared = pod.ok && hasTaskDeclarations(pod.value);
    return { tasks: [], faults: [], warnings: declared ? [NOT_ADMITTED] : [] };
  }
  const options = { limits, cloud, loadCatalog };
  const result = await revalidateTasks(admitted.value, options);
  const { tasks } = admitted.value;
  return { tasks, faults: result.ok ? [] : result.faults, warnings: [] };
};

const NOT_ADMITTED =
  'Tasks were not admitted: the webhook did not inject this pod; create it again while the webhook runs';
