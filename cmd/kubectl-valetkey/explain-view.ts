import type { Decision } from '../../lib/policy/decision.ts';
import { describeFault } from '../../lib/reading/fault.ts';
import type { Answer } from './answer.ts';
import type { ExplainedTask } from './explained-task.ts';
import type { ExplainedPod } from './explaining.ts';
import { describeTerms } from './namespace-terms.ts';

/** What `explain` says. */
export const explainAnswer = (pods: readonly ExplainedPod[]): Answer => ({
  isWell: pods.every(isWell),
  lines: pods.flatMap((pod, index) => [...(index === 0 ? [] : ['']), ...podLines(pod)]),
  json: { pods: pods.map(toJson) },
});

const isWell = ({ faults, tasks }: ExplainedPod): boolean =>
  faults.length === 0 &&
  tasks.every(
    (task) =>
      task.faults.length === 0 &&
      task.policy?.anyRun.outcome !== 'deny' &&
      task.policy?.now?.outcome !== 'deny',
  );

const podLines = (pod: ExplainedPod): readonly string[] => [
  `pod ${pod.namespace}/${pod.pod}, service account ${pod.serviceAccount}, trust: ${pod.trust}`,
  ...(pod.terms ? [describeTerms(pod.terms)] : []),
  ...verdictLines(pod),
  ...[...pod.excused, ...pod.warnings].map((note) => `note: ${note}`),
  ...(pod.tasks.length === 0 ? ['no task that could run'] : pod.tasks.flatMap(taskLines)),
];

const verdictLines = ({ faults, excused }: ExplainedPod): readonly string[] => {
  if (faults.length > 0) return ['refused:', ...faults.map((fault) => `  ${describeFault(fault)}`)];
  return [excused.length === 0 ? 'keeps every rule' : 'keeps every rule but what is excused'];
};

const taskLines = ({ task, subject, policy, ...rest }: ExplainedTask): readonly string[] => {
  const { name, role, containers, lifetimeSeconds, params, purpose } = task;
  const rules = Object.entries(params).map(
    ([param, { pattern, maxLength }]) => `{${param}}: ${pattern}, at most ${maxLength} characters`,
  );
  const rows: (readonly [string, readonly string[]])[] = [
    ['role', [role]],
    ['consumers', [containers.join(', ')]],
    ['lifetime', [`${lifetimeSeconds} s`]],
    ['purpose', purpose === undefined ? [] : [purpose]],
    ['params', rules],
    ['grant for', subject === undefined ? [] : [subject]],
    ['any run', policy === undefined ? [unasked(subject)] : decisionLines(policy.anyRun)],
    ['a run now', policy?.now === undefined ? [] : decisionLines(policy.now)],
    ['wrong', rest.faults.map(describeFault)],
    ['session policy', JSON.stringify(rest.sessionPolicy, null, 2).split('\n')],
  ];
  return [
    '',
    `task ${name}`,
    ...rows.flatMap(([title, lines]) =>
      lines.map((line, index) => `  ${(index === 0 ? title : '').padEnd(16)}${line}`),
    ),
  ];
};

const unasked = (subject: string | undefined): string =>
  subject === undefined ? 'no policy is asked' : 'not known: no TaskPolicy stands in the files';

const decisionLines = ({ outcome, policies, reasons }: Decision): readonly string[] => [
  policies.length === 0 ? outcome : `${outcome} by ${policies.join(', ')}`,
  ...reasons,
];

const toJson = ({ tasks, ...pod }: ExplainedPod): object => ({
  ...pod,
  tasks: tasks.map(({ task, ...explained }) => ({ ...task, ...explained })),
});
