import type { Command } from 'commander';

import { approvalSpec } from '../../lib/approvals/approval-objects.ts';
import type { ApprovalRequest, ApprovalSpec } from '../../lib/contract/approvals.ts';
import { escapeInvisible, formatValue } from '../../lib/schema/field-error.ts';
import { read } from '../../lib/schema/reader.ts';
import { buildDecisionResult, buildRequestsResult, formatRequest } from './approvals-view.ts';
import type { ClusterClient, ClusterOptions } from './cluster.ts';
import {
  newCommand,
  printResult,
  withCluster,
  withNamespaces,
  withOutput,
  type Example,
  type NamespacesOptions,
  type OutputOptions,
  type Shell,
} from './command-line.ts';
import { createUsageError, EXIT, ToolError } from './tool-error.ts';

type RequestsOptions = ClusterOptions & OutputOptions & NamespacesOptions;

/** `requests` */
export const createRequestsCommand = (shell: Shell): Command =>
  withCluster(
    withOutput(
      withNamespaces(
        newCommand('requests', 'List requests for approval', [
          ['kubectl valetkey requests -n research', 'The requests of a namespace'],
          ['kubectl valetkey requests -A', 'The requests of every namespace'],
        ]),
      ),
    ),
    { short: false },
  ).action(async (options: RequestsOptions) => {
    const cluster = shell.io.createClusterClient(options);
    const namespace = options.namespace ?? cluster.namespace;
    const found = await cluster.approvals.list(options.allNamespaces ? undefined : namespace);
    printResult(shell, buildRequestsResult(found, shell.io.now()), options.output);
  });

type DecisionOptions = ClusterOptions &
  OutputOptions & {
    readonly namespace?: string;
    readonly group?: string;
    readonly reason?: string;
    readonly yes?: true;
  };

type Decision = 'approve' | 'deny' | 'review';

const NAME = 'ar-4c1f0a7d9be2358f6a01';
const DECISIONS: Readonly<
  Record<Decision, { readonly summary: string; readonly examples: readonly Example[] }>
> = {
  approve: {
    summary: 'Approve one exact request of an agent',
    examples: [
      [`kubectl valetkey approve -n research ${NAME}`, 'Show the request, and ask'],
      [
        `kubectl valetkey approve -n research ${NAME} --group data-owners --yes`,
        'For one of several groups, from a script',
      ],
    ],
  },
  deny: {
    summary: 'Deny one exact request of an agent',
    examples: [
      [
        `kubectl valetkey deny -n research ${NAME} --reason "too wide"`,
        'Show the request, and ask',
      ],
      [`kubectl valetkey deny -n research ${NAME} --yes`, 'From a script'],
    ],
  },
  review: {
    summary: 'Record that you reviewed what another person decided alone',
    examples: [
      [
        `kubectl valetkey review -n research ${NAME} --reason "was right"`,
        'Show the request, and ask',
      ],
    ],
  },
};

/** `approve`, `deny` and `review` */
export const createDecisionCommand = (shell: Shell, decision: Decision): Command => {
  const { summary, examples } = DECISIONS[decision];
  return withDecisionOptions(newCommand(decision, summary, examples)).action(
    (name: string, options: DecisionOptions) => decide({ name, decision, options }, shell),
  );
};

/** `breakglass` */
export const createBreakGlassCommand = (shell: Shell): Command =>
  withDecisionOptions(
    newCommand('breakglass', 'Decide alone in an emergency, for 15 minutes at most', [
      [
        `kubectl valetkey breakglass -n research ${NAME} --incident INC-1042`,
        'Show the request, and ask',
      ],
    ]),
  )
    .requiredOption('--incident <id>', 'Incident, which the Approval and the audit records state')
    .action((name: string, options: DecisionOptions & { readonly incident: string }) => {
      const { incident } = options;
      return decide({ name, decision: 'approve', options, emergency: { incident } }, shell);
    });

const withDecisionOptions = (command: Command): Command =>
  withCluster(
    withOutput(
      command
        .argument('<request>', 'Name of the ApprovalRequest')
        .option('-n, --namespace <namespace>', 'Namespace; default: that of the context')
        .option('--group <name>', 'Group for which you decide; needed if several are asked')
        .option('--reason <text>', 'Reason, which the Approval records')
        .option('--yes', 'Skip the confirmation'),
    ),
    { short: false },
  );

const decide = async (
  {
    name,
    decision,
    options,
    emergency,
  }: {
    readonly name: string;
    readonly decision: Decision;
    readonly options: DecisionOptions;
    readonly emergency?: ApprovalSpec['emergency'];
  },
  shell: Shell,
): Promise<void> => {
  const cluster = shell.io.createClusterClient(options);
  const request = await readRequest(cluster, options.namespace ?? cluster.namespace, name);
  const group = chooseGroup(request, options.group);
  const by = await cluster.readOwnName();
  const spec = buildDecision(request, {
    decision,
    group,
    by,
    reason: options.reason,
    ...(emergency !== undefined && { emergency }),
  });
  await confirm({ request, spec, yes: options.yes }, shell);
  const id = await createDecision(cluster, { request, spec }, shell.io.newId);
  printResult(shell, buildDecisionResult(request, { name: id, spec }), options.output);
};

const readRequest = async (
  { approvals }: ClusterClient,
  namespace: string,
  name: string,
): Promise<ApprovalRequest> => {
  const found = await approvals.read(namespace, name);
  if (found !== undefined) return found;
  const hint = `kubectl valetkey requests -n ${namespace}`;
  throw new ToolError(EXIT.problems, [
    `ApprovalRequest ${namespace}/${name}: expected it to exist, got nothing: ${hint}`,
  ]);
};

const chooseGroup = ({ spec }: ApprovalRequest, given: string | undefined): string => {
  const names = spec.groups.map((group) => group.name);
  const [only] = names;
  if (given === undefined && names.length === 1 && only !== undefined) return only;
  if (given !== undefined && names.includes(given)) return given;
  const expected = `one of ${names.join(', ')}`;
  throw createUsageError([{ path: '--group', expected, got: given ?? 'nothing' }]);
};

/**
 * Builds the decision of a person about exactly this request.
 *
 * @throws ToolError for an invalid reason
 */
export const buildDecision = (
  { name, uid, spec: { digest } }: ApprovalRequest,
  {
    reason,
    ...spec
  }: Pick<ApprovalSpec, 'decision' | 'group' | 'by' | 'emergency'> & {
    readonly reason: string | undefined;
  },
): ApprovalSpec =>
  parseSpec({ request: { name, uid, digest }, ...spec, ...(reason !== undefined && { reason }) });

/** Creates the Approval. @returns its name @throws ToolError if the name is in use; KubernetesError */
export const createDecision = async (
  { approvals }: Pick<ClusterClient, 'approvals'>,
  { request, spec }: { readonly request: ApprovalRequest; readonly spec: ApprovalSpec },
  newId: () => string,
): Promise<string> => {
  const name = `${request.name}-${newId()}`;
  if ((await approvals.decide(request, { name, spec })) === 'created') return name;
  throw new ToolError(EXIT.problems, [`Approval ${name}: expected an unused name; try again`]);
};

const parseSpec = (spec: object): ApprovalSpec => {
  const result = read(approvalSpec, spec);
  if (result.ok) return result.value;
  throw createUsageError(result.faults);
};

const confirm = async (
  {
    request,
    spec,
    yes,
  }: {
    readonly request: ApprovalRequest;
    readonly spec: ApprovalSpec;
    readonly yes: true | undefined;
  },
  { io: { ask } }: Shell,
): Promise<void> => {
  if (yes) return;
  if (ask === undefined) {
    const expected = 'this option to decide without a terminal';
    throw createUsageError([{ path: '--yes', expected, got: 'nothing' }]);
  }
  const question = `${describeAct(spec)} for ${spec.group}, as ${spec.by}? Type yes: `;
  const reply = await ask(`${formatRequest(request).join('\n')}\n${question}`);
  if (reply.trim() === 'yes') return;
  const got = formatValue(reply.trim());
  throw new ToolError(EXIT.problems, [`nothing was decided: expected the reply yes, got ${got}`]);
};

const ACTS = {
  approve: 'Approve this request',
  deny: 'Deny this request',
  review: 'Record that you reviewed what was done with this request',
} as const;

const describeAct = ({ decision, emergency }: ApprovalSpec): string =>
  emergency === undefined
    ? ACTS[decision]
    : `Decide alone about this request, because of ${escapeInvisible(emergency.incident)},`;
