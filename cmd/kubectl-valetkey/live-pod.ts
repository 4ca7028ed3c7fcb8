import type { LoadCatalogue } from '../../lib/catalogue/catalogue.ts';
import type { ExcusedRules } from '../../lib/contract/excused-rules.ts';
import { PROFILES_CONFIG_MAP } from '../../lib/contract/names.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import type { Task } from '../../lib/contract/task.ts';
import { declaresTasks, givenTasks } from '../../lib/injection/consumers.ts';
import { judgeLivePod } from '../../lib/injection/live-pod.ts';
import { readPod } from '../../lib/injection/pod-shape.ts';
import { readProfiles } from '../../lib/injection/published-profiles.ts';
import { accountOf } from '../../lib/injection/surroundings.ts';
import { EXCUSE_WORDS } from '../../lib/injection/verdict.ts';
import { show, type Fault } from '../../lib/reading/fault.ts';
import { isInForce, matches, type PodFacts } from '../../lib/revocation/matching.ts';
import { describeTarget } from '../../lib/revocation/observed.ts';
import { readRevocation } from '../../lib/revocation/revocation.ts';
import { readAdmittedTasks } from '../../lib/task/admitted.ts';
import { rejudgeAdmitted } from '../../lib/task/rejudging.ts';
import type { Cluster } from './cluster.ts';
import type { Ground, PodToExplain } from './explaining.ts';
import { openSurroundings } from './surroundings.ts';
import { foundWrong } from './tool-error.ts';

/**
 * What the authority would read of a live pod, and every reason for which it would refuse it.
 *
 * @throws ToolError where there is no such pod; KubernetesError
 */
export const readLivePod = async (
  { namespace, name }: { readonly namespace: string; readonly name: string },
  cluster: Cluster,
  { platform, loadCatalogue, now }: Ground,
): Promise<PodToExplain> => {
  const raw = await cluster.readPod({ namespace, name });
  if (raw === undefined) {
    throw foundWrong([{ path: `pod ${namespace}/${name}`, expected: 'a pod', got: 'none' }]);
  }
  const { status, ...pod } = raw as LiveStatus;
  const serviceAccount = accountOf(pod);
  const place = { namespace, serviceAccount };
  const surroundings = await openSurroundings({ manifests: [], namespace, cluster })(place);
  const { labels: namespaceLabels = {}, ...around } = surroundings;
  const account = around.serviceAccount && { serviceAccount: around.serviceAccount };
  const { profiles } = readProfiles((await cluster.readConfigMap(PROFILES_CONFIG_MAP)) ?? {});
  const judged = judgeLivePod(raw, { platform, profiles, namespaceLabels, ...account });
  const admitted = await admittedTo(raw, platform, loadCatalogue);
  const facts = { ...place, pod: name, podUid: pod.metadata?.uid ?? '' };
  const revoked = await revokedBy(facts, admitted.tasks, { cluster, platform, now });
  return {
    ...{ ...place, pod: name, surroundings },
    faults: [...(judged.ok ? [] : judged.faults), ...admitted.faults, ...revoked],
    excused: judged.ok ? describeRules(judged.value.excused) : [],
    ...{ warnings: admitted.warnings, tasks: admitted.tasks },
    ...(status?.podIP !== undefined && { podIp: status.podIP }),
  };
};

const describeRules = ({ exceptions, warned }: ExcusedRules): readonly string[] => [
  ...exceptions.map((id) => `rule ${id} is broken: ${EXCUSE_WORDS.exception}`),
  ...warned.map((id) => `rule ${id} is broken: ${EXCUSE_WORDS.mode}`),
];

/** The authority refuses them whatever policy says. */
const revokedBy = async (
  pod: PodFacts,
  tasks: readonly Task[],
  { cluster, platform, now }: { readonly cluster: Cluster } & Pick<Ground, 'platform' | 'now'>,
): Promise<readonly Fault[]> => {
  if (platform.authority === undefined) return [];
  const revocations = (await cluster.listRevocations()).map(readRevocation);
  return revocations
    .flatMap((each) => (each.ok ? [each.value] : []))
    .filter(({ spec }) => isInForce(spec, now))
    .filter((each) => tasks.some(({ name }) => matches(each, { ...pod, task: name })))
    .map(({ name, spec }) => ({
      path: `revocation ${name}`,
      expected: 'none in force',
      got: `${describeTarget(spec)} revoked by ${spec.by}: ${show(spec.reason)}`,
    }));
};

type LiveStatus = Pick<Pod, 'metadata' | 'spec'> & {
  readonly status?: { readonly podIP?: string };
};

type Admitted = Pick<PodToExplain, 'tasks' | 'faults' | 'warnings'>;

/** Even of a pod that breaks a rule: what it would be given otherwise is worth knowing. */
const admittedTo = async (
  raw: unknown,
  { tasks: limits, cloud }: Platform,
  loadCatalogue: LoadCatalogue,
): Promise<Admitted> => {
  const pod = readPod(raw);
  const given = pod.ok ? givenTasks(pod.value) : undefined;
  const admitted = readAdmittedTasks(given?.text ?? '');
  if (!admitted.ok) {
    const declared = pod.ok && declaresTasks(pod.value);
    return { tasks: [], faults: [], warnings: declared ? [NOT_ADMITTED] : [] };
  }
  const terms = { limits, dialect: cloud.dialect, loadCatalogue };
  const judged = await rejudgeAdmitted(admitted.value, terms);
  const { tasks } = admitted.value;
  return { tasks, faults: judged.ok ? [] : judged.faults, warnings: [] };
};

const NOT_ADMITTED =
  'it declares tasks that no admission fixed: tasks count only when the pod is created, while the webhook runs';
