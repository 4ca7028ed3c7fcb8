import type { SourceRestriction, CloudSettings } from '../../lib/contract/platform.ts';
import type { Task } from '../../lib/contract/task.ts';
import { maxPolicyLength } from '../../lib/scope/aws/policy-size.ts';
import { buildSessionPolicy } from '../../lib/scope/aws/session-policy.ts';
import { bindParams } from '../../lib/task/params.ts';
import { captureOutcome } from './outcomes.ts';
import { attempt } from './role-parsers.ts';
import { readGoldenTasks } from './tasks.ts';

type Scope = Parameters<typeof buildSessionPolicy>[0];

const DEADLINES = ['1970-01-01T00:00:00.000Z', '2026-01-02T03:04:05.999Z', '2099-12-31T23:59:59Z'];
const BINDS: readonly SourceRestriction[] = [
  { mode: 'none' },
  { mode: 'podIP' },
  { mode: 'cidrs', cidrs: ['192.0.2.0/24', '2001:db8::/32'] },
  { mode: 'vpc', vpcId: 'vpc-0a1b2c3d' },
];
const DIALECTS: readonly CloudSettings['dialect'][] = ['aws', 's3'];
const ADDRESSES = [['10.20.0.7'], ['fd00:10:20::7'], ['10.20.0.7', 'fd00:10:20::7']];
const VALUES = ['acme', 'a', 'x'.repeat(20), 'a/b', 'a-b_c', '7', 'q3 2026', '*', '${a}', '', 'ä'];

/** Each combination of dialect and sourceRestriction, with every address and deadline. */
const SETTINGS: readonly Pick<Scope, 'cloud' | 'podIps' | 'deadline'>[] = DIALECTS.flatMap(
  (dialect) =>
    BINDS.flatMap((sourceRestriction) =>
      (sourceRestriction.mode === 'podIP' ? ADDRESSES : ADDRESSES.slice(0, 1)).flatMap((podIps) =>
        DEADLINES.map((at) => ({
          cloud: { dialect, sourceRestriction },
          podIps,
          deadline: Date.parse(at),
        })),
      ),
    ),
);

/** The statements alone: every policy is their list under one version. */
const renderFor = (task: Task, params: Scope['params']): readonly string[] =>
  SETTINGS.map((settings) => buildSessionPolicy({ task, params, ...settings }));

const boundFor = (task: Task): readonly (readonly [string, ReturnType<typeof bindParams>])[] =>
  VALUES.map((value) => {
    const given = Object.fromEntries(Object.keys(task.params).map((name) => [name, value]));
    return [JSON.stringify(given), bindParams(task, given)] as const;
  });

const capturePolicies = (task: Task): object => {
  const sizes = DIALECTS.map((dialect) =>
    captureOutcome(
      maxPolicyLength({ task, cloud: { dialect, sourceRestriction: { mode: 'podIP' } } }),
    ),
  );
  const bound = new Map(boundFor(task));
  const policies = Array.from(bound, ([given, result]) => [
    given,
    result.ok ? attempt(() => renderFor(task, result.value)) : captureOutcome(result),
  ]);
  return { sizes, policies: Object.fromEntries(policies) as object };
};

/** The exact session policies of every task, for each sourceRestriction, dialect, deadline and value of params. */
export const captureSessionPolicies = async (): Promise<object> =>
  Object.fromEntries(
    (await readGoldenTasks()).map(([name, task]) => [name, capturePolicies(task)] as const),
  );
