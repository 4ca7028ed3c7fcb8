import { MINTED_TEXT } from '../../lib/catalog/minting-actions.ts';
import type { PolicyDecision } from '../../lib/policy/decision.ts';
import type { Delegated, Delivery } from '../../lib/contract/task.ts';
import { formatFieldError, formatWithHint } from '../../lib/schema/field-error.ts';
import type { CommandResult } from './command-result.ts';
import type { ExplainedKey, ExplainedTask } from './explained-task.ts';
import { formatRevocable } from './explained-upstream.ts';
import type { ExplainedPod } from './explain-report.ts';
import { formatNamespaceSettings } from './namespace-settings.ts';
import type { ListedException } from './vend-report.ts';

/** Builds the output of `explain`. */
export const buildExplainResult = (pods: readonly ExplainedPod[]): CommandResult => ({
  isHealthy: pods.every(isHealthy),
  lines: pods.flatMap((pod, index) => [...(index === 0 ? [] : ['']), ...formatPod(pod)]),
  json: { pods: pods.map(toJson) },
});

const isHealthy = ({ faults, tasks }: ExplainedPod): boolean =>
  faults.length === 0 &&
  tasks.every(
    (task) =>
      task.faults.length === 0 &&
      task.policy?.anyRun.outcome !== 'deny' &&
      task.policy?.now?.outcome !== 'deny',
  );

const formatPod = (pod: ExplainedPod): readonly string[] => [
  `pod ${pod.namespace}/${pod.pod}, service account ${pod.serviceAccount}, trust: ${pod.trust}`,
  ...(pod.settings ? [formatNamespaceSettings(pod.settings)] : []),
  ...formatRuleResult(pod),
  ...[...pod.exempted, ...pod.warnings].map((note) => `note: ${note}`),
  ...(pod.tasks.length === 0 ? ['no tasks can run'] : pod.tasks.flatMap(formatTask)),
];

const formatRuleResult = ({ faults, exempted }: ExplainedPod): readonly string[] => {
  if (faults.length > 0) {
    return ['Refused:', ...faults.map((fault) => `  ${formatWithHint(fault)}`)];
  }
  return [exempted.length === 0 ? 'Passes all rules' : 'Passes all rules except exempted ones'];
};

const formatTask = ({
  task,
  subject,
  policy,
  outlivesRun,
  upstream,
  ...rest
}: ExplainedTask): readonly string[] => {
  const { name, role, containers, delivery, lifetimeSeconds, params, purpose, delegated } = task;
  const rules = Object.entries(params).map(
    ([param, { pattern, maxLength }]) => `{${param}}: ${pattern}, at most ${maxLength} characters`,
  );
  const rows: (readonly [string, readonly string[]])[] = [
    ['role', [role]],
    ['upstream', upstream === undefined ? [] : [`${upstream.name}, protocol ${upstream.protocol}`]],
    ['enforcedBy', rest.enforcedBy === 'gateway' ? ['gateway'] : []],
    ['revocable', upstream === undefined ? [] : [formatRevocable(upstream)]],
    ['pinned', upstream?.pinned ?? []],
    ['key', rest.key === undefined ? [] : [formatKey(rest.key)]],
    ['consumers', [containers.join(', ')]],
    ['delivery', [DELIVERY_TEXT[delivery]]],
    ['lifetime', [`${lifetimeSeconds} s`]],
    ['delegated', delegated === undefined ? [] : [DELEGATED_TEXT[delegated]]],
    ['purpose', purpose === undefined ? [] : [purpose]],
    ['params', rules],
    ['outlives run', outlivesRun.map(({ action, mints }) => `${action} ${MINTED_TEXT[mints]}`)],
    ['subject', subject === undefined ? [] : [subject]],
    [
      'any run',
      policy === undefined
        ? [formatMissingDecision({ subject, task, upstream, faults: rest.faults })]
        : formatDecision(policy.anyRun),
    ],
    ['run now', policy?.now === undefined ? [] : formatDecision(policy.now)],
    ['vend until', policy?.vend?.exceptions.map(formatException) ?? []],
    ['not counted', policy?.vend?.ignored.map(({ policy: id, why }) => `${id} ${why}`) ?? []],
    ['problems', rest.faults.map(formatFieldError)],
    ['session policy', formatSessionPolicy(rest.sessionPolicy)],
  ];
  return [
    '',
    `task ${name}`,
    ...rows.flatMap(([title, lines]) =>
      lines.map((line, index) => `  ${(index === 0 ? title : '').padEnd(16)}${line}`),
    ),
  ];
};

const formatKey = (key: ExplainedKey): string =>
  key.kind === 'fixed'
    ? 'fixed (pod UID), from processes of its container'
    : `content of /var/run/valetkey/token; not the pod UID: ${key.why}`;

const DELEGATED_TEXT: Readonly<Record<Delegated, string>> = {
  allowed: 'allowed: other agents may start it',
  required: 'required: only other agents start it',
};

const DELIVERY_TEXT: Readonly<Record<Delivery, string>> = {
  vend: 'vend: consumers get keys of the cloud',
  sign: 'sign: the sidecar signs requests; consumers get no keys of the cloud',
};
const formatException = ({ policy, until, reason }: ListedException): string =>
  `${until} by ${policy}: ${reason}`;

const formatMissingDecision = ({
  subject,
  task,
  upstream,
  faults,
}: Pick<ExplainedTask, 'task' | 'faults'> & {
  readonly subject: string | undefined;
  readonly upstream: ExplainedTask['upstream'];
}): string => {
  if (subject === undefined) return 'not evaluated: trust is cluster';
  const needsUpstream = task.provider !== 'aws' && upstream === undefined;
  if (needsUpstream && faults.length > 0) return 'not evaluated: see problems';
  return needsUpstream
    ? 'not evaluated: the files contain no Upstream'
    : 'not evaluated: the files contain no TaskPolicy';
};

const formatDecision = ({ outcome, policies, reasons }: PolicyDecision): readonly string[] => [
  policies.length === 0 ? outcome : `${outcome} by ${policies.join(', ')}`,
  ...reasons,
];

const toJson = ({ tasks, ...pod }: ExplainedPod): object => ({
  ...pod,
  tasks: tasks.map(({ task, ...explained }) => ({ ...task, ...explained })),
});

const formatSessionPolicy = (policy: object | undefined): readonly string[] =>
  policy === undefined
    ? ['none: the gateway of the sidecar enforces what the task allows']
    : JSON.stringify(policy, null, 2).split('\n');
