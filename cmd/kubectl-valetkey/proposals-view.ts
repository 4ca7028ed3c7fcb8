import type { TaskProposal, TaskProposalSpec } from '../../lib/contract/proposals.ts';
import { escapeInvisible } from '../../lib/schema/field-error.ts';
import type { CommandResult } from './command-result.ts';
import { formatAge, renderTable } from './table.ts';

const HEADER = ['NAMESPACE', 'NAME', 'TASK', 'POD', 'ACTIONS', 'EXPIRES IN'];

/** Builds the output of `proposals` for a list. */
export const buildProposalsResult = (
  proposals: readonly TaskProposal[],
  now: number,
): CommandResult => ({
  isHealthy: true,
  lines:
    proposals.length === 0
      ? ['No proposals.']
      : renderTable(
          HEADER,
          proposals.map((proposal) => formatRow(proposal, now)),
        ),
  json: { proposals },
});

/** The actions of a proposal, each once. */
export const listProposedActions = ({ allow }: TaskProposalSpec): readonly string[] => [
  ...new Set(allow.flatMap(({ actions }) => actions)),
];

const formatRow = ({ namespace, name, spec }: TaskProposal, now: number): readonly string[] => {
  const leftMs = Date.parse(spec.expiresAt) - now;
  const left = leftMs > 0 ? formatAge(leftMs) : 'expired';
  const actions = listProposedActions(spec).join(',');
  return [namespace, name, spec.task, spec.requester.pod, actions, left].map(escapeInvisible);
};

/** Builds the output of `proposals` for one: every line is escaped. */
export const buildProposalResult = (proposal: TaskProposal): CommandResult => {
  const { namespace, name, spec } = proposal;
  const { serviceAccount, pod, consumer } = spec.requester;
  return {
    isHealthy: true,
    lines: [
      `TaskProposal ${namespace}/${name}`,
      `  asked by  pod ${pod}, container ${consumer}, service account ${serviceAccount}`,
      `  task      ${spec.task}`,
      `  expires   ${spec.expiresAt}`,
      ...(spec.reason === undefined ? [] : [`  the agent says (untrusted): ${spec.reason}`]),
      ...formatText('Change of the annotation', spec.annotation, 'none: the task declares it'),
      ...formatText('Policy', spec.cedar, 'none: policy permits it'),
      'Nothing applies this. To dismiss it:',
      `  kubectl delete taskproposal -n ${namespace} ${name}`,
    ].map(escapeInvisible),
    json: { proposal },
  };
};

const formatText = (title: string, text: string, otherwise: string): readonly string[] =>
  text === ''
    ? [`${title}: ${otherwise}`]
    : [
        `${title}:`,
        ...text
          .trimEnd()
          .split('\n')
          .map((line) => `  ${line}`),
      ];
