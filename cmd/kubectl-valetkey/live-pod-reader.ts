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
import { createPodContextReader } from './pod-context.ts';
import { createProblemError } from './tool-error.ts';

/**
 * What the authority would read of a live pod, and every reason for which it would refuse it.
 *
 * @throws ToolError where there is no such pod; KubernetesError
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
  const place = { namespace, serviceAccount };
  const podContext = await createPodContextReader({ manifests: [], namespace, cluster })(place);
  const { labels: namespaceLabels = {}, ...around } = podContext;
  const account = around.serviceAccount && { serviceAccount: around.serviceAccount };
  const { templates } = readTemplates(
    (await cluster.readConfigMap(INJECTION_TEMPLATES_CONFIG_MAP)) ?? {},
  );
  const ruleResult = evaluateLivePod(raw, { platform, templates, namespaceLabels, ...account });
  const admitted = await readAdmitted(raw, platform, loadCatalog);
  const facts = { ...place, pod: name, podUid: pod.metadata?.uid ?? '' };
  const revoked = await findRevocationErrors(facts, admitted.tasks, { cluster, platform, now });
  return {
    ...{ ...place, pod: name, podContext },
    faults: [...(ruleResult.ok ? [] : ruleResult.faults), ...admitted.faults, ...revoked],
    excused: ruleResult.ok ? formatExemptions(ruleResult.value.exempted) : [],
    ...{ warnings: admitted.warnings, tasks: admitted.tasks },
    ...(status?.podIP !== undefined && { podIp: status.podIP }),
  };
};

const formatExemptions = ({ exemptions, warned }: ExemptedRules): readonly string[] => [
  ...exemptions.map((id) => `rule ${id} is broken: ${EXEMPTION_TEXT.exemption}`),
  ...warned.map((id) => `rule ${id} is broken: ${EXEMPTION_TEXT.mode}`),
];

/** The authority refuses them whatever policy says. */
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
  readonly status?: { readonly podIP?: string };
};

type Admitted = Pick<PodToExplain, 'tasks' | 'faults' | 'warnings'>;

/** Even of a pod that breaks a rule: what it would be given otherwise is worth knowing. */
const readAdmitted = async (
  raw: unknown,
  { tasks: limits, cloud }: Platform,
  loadCatalog: LoadCatalog,
): Promise<Admitted> => {
  const pod = parsePod(raw);
  const given = pod.ok ? findTasksEnvValue(pod.value) : undefined;
  const admitted = readAdmittedTasks(given?.text ?? '');
  if (!admitted.ok) {
    const declared = pod.ok && hasTaskDeclarations(pod.value);
    return { tasks: [], faults: [], warnings: declared ? [NOT_ADMITTED] : [] };
  }
  const terms = { limits, dialect: cloud.dialect, loadCatalog };
  const ruleResult = await revalidateTasks(admitted.value, terms);
  const { tasks } = admitted.value;
  return { tasks, faults: ruleResult.ok ? [] : ruleResult.faults, warnings: [] };
};

const NOT_ADMITTED =
  'it declares tasks that no admission fixed: tasks count only when the pod is created, while the webhook runs';
