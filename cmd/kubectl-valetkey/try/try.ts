import type { Command } from 'commander';

import type { PolicyDecision } from '../../../lib/policy/decision.ts';
import { formatWithHint } from '../../../lib/schema/field-error.ts';
import type { CommandResult } from '../command-result.ts';
import { newCommand, printResult, withCluster, withOutput, type Shell } from '../command-line.ts';
import { readExplainInput, withExplainInput, type ExplainOptions } from '../explain-input.ts';
import { canonicalizeCalls, parseCall } from './call-argument.ts';
import { tryCalls, type Call, type TriedTask } from './tried-calls.ts';

type Options = ExplainOptions & { readonly call?: readonly Call[] };

const CALL = '"s3:GetObject arn:aws:s3:::acme-data/reports/today.csv"';

/** `try` */
export const createTryCommand = (shell: Shell): Command =>
  withCluster(
    withOutput(
      withExplainInput(
        newCommand(
          'try',
          'Decide as in a dry run: would this pod be admitted, a run of its task start, a call be allowed?',
          [
            [
              `kubectl valetkey try agent-7 -n research --task summarize --call ${CALL}`,
              'A call of a running pod',
            ],
            [
              `kubectl valetkey try -f agent.yaml --task summarize --call ${CALL}`,
              'Of a manifest that is not applied yet',
            ],
            [
              'kubectl valetkey try -f agent.yaml -f policies.yaml --platform platform.yaml --task invoice --param customer=acme',
              'Only whether a run would start, offline',
            ],
          ],
        ),
      ).option('--call <call>', "A call: 'ACTION RESOURCE'; repeatable", parseCall),
    ),
    { short: false },
  ).action(async (pod: string | undefined, options: Options) => {
    const { pods, context } = await readExplainInput('try', { pod, options }, shell);
    const calls = await canonicalizeCalls(options.call ?? [], context.loadCatalog);
    const { task, param: params = {} } = options;
    const request = { params, ...(task !== undefined && { task }) };
    const tried: TriedTask[] = [];
    for (const each of pods) tried.push(await tryCalls(each, { request, calls }, context));
    printResult(shell, buildTryResult(tried), options.output);
  });

/** Output of `try`: healthy if everything is allowed, undecided if something depends on more than is known. */
const buildTryResult = (tried: readonly TriedTask[]): CommandResult => ({
  isHealthy: tried.every(
    ({ refusals, run, calls }) =>
      refusals.length === 0 &&
      getRunDecision(run)?.outcome !== 'deny' &&
      calls.every(({ outcome }) => outcome !== 'refused'),
  ),
  isDecided: tried.every(
    ({ run, calls }) =>
      getRunDecision(run)?.outcome !== 'undecided' &&
      calls.every(({ outcome }) => outcome !== 'undecided'),
  ),
  lines: tried.flatMap((task, index) => [...(index === 0 ? [] : ['']), ...formatTask(task)]),
  json: { pods: tried },
});

const getRunDecision = (run: TriedTask['run']): PolicyDecision | undefined =>
  run?.now ?? run?.anyRun;

const formatTask = ({
  namespace,
  pod,
  task,
  refusals,
  run,
  calls,
}: TriedTask): readonly string[] => {
  const decision = getRunDecision(run);
  const cases = task === '' ? [] : [formatRow('run', formatRun(decision))];
  return [
    `pod ${namespace}/${pod}${task === '' ? '' : `, task ${task}`}`,
    formatRow('pod', refusals.length === 0 ? 'allowed' : 'refused'),
    ...refusals.map((fault) => formatRow('', formatWithHint(fault))),
    ...cases,
    ...(decision?.reasons ?? []).map((reason) => formatRow('', reason)),
    ...calls.flatMap(({ action, resource, outcome, code, reason }) => [
      formatRow('call', `${outcome}  ${action} ${resource}`),
      formatRow('', code === undefined ? reason : `${code}: ${reason}`),
    ]),
  ];
};

const formatRun = (decision: PolicyDecision | undefined): string => {
  if (decision === undefined) return 'not evaluated: no policies are known';
  const { outcome, policies } = decision;
  const text = { allow: 'allowed', deny: 'refused', undecided: 'undecided' }[outcome];
  return policies.length === 0 ? text : `${text} by ${policies.join(', ')}`;
};

const formatRow = (title: string, text: string): string => `  ${title.padEnd(5)}${text}`;
