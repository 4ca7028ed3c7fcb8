import type { Command } from 'commander';

import { newCommand, printResult, withCluster, withOutput, type Shell } from './command-line.ts';
import { readExplainInput, withExplainInput, type ExplainOptions } from './explain-input.ts';
import { explainPod } from './explain-report.ts';
import { buildExplainResult } from './explain-view.ts';

/** `explain POD` and `explain -f FILE` */
export const createExplainCommand = (shell: Shell): Command =>
  withCluster(
    withOutput(
      withExplainInput(
        newCommand(
          'explain',
          'Show the policy decision and session policy of each task of a pod, and the rules that the pod violates',
          [
            ['kubectl valetkey explain agent-7 -n research', 'A running pod'],
            ['kubectl valetkey explain -f agent.yaml', 'A manifest that is not applied yet'],
            [
              'kubectl valetkey explain -f agent.yaml -f namespace.yaml -f policies.yaml --platform platform.yaml',
              'The same offline, with all inputs in files',
            ],
            [
              'kubectl valetkey explain agent-7 -n research --task summarize --param customer=acme',
              'One task, with the params of a run',
            ],
          ],
        ),
      ),
    ),
    { short: false },
  ).action((pod: string | undefined, options: ExplainOptions) => runExplain(pod, options, shell));

const runExplain = async (
  pod: string | undefined,
  options: ExplainOptions,
  shell: Shell,
): Promise<void> => {
  const { pods, context } = await readExplainInput('explain', { pod, options }, shell);
  const { task, param = {} } = options;
  const request = { params: param, ...(task !== undefined && { task }) };
  const explained = [];
  for (const each of pods) explained.push(await explainPod(each, request, context));
  printResult(shell, buildExplainResult(explained), options.output);
};
