import type { Command } from 'commander';

import type { TaskProposal } from '../../lib/contract/proposals.ts';
import type { ClusterClient, ClusterOptions } from './cluster.ts';
import {
  newCommand,
  printResult,
  withCluster,
  withNamespaces,
  withOutput,
  type NamespacesOptions,
  type OutputOptions,
  type Shell,
} from './command-line.ts';
import { buildProposalResult, buildProposalsResult } from './proposals-view.ts';
import { EXIT, ToolError } from './tool-error.ts';

type ProposalsOptions = ClusterOptions & OutputOptions & NamespacesOptions;

/** `proposals` */
export const createProposalsCommand = (shell: Shell): Command =>
  withCluster(
    withOutput(
      withNamespaces(
        newCommand('proposals', 'List what agents propose, or show one', [
          ['kubectl valetkey proposals -n research', 'The proposals of a namespace'],
          [
            'kubectl valetkey proposals -n research tp-4c1f0a7d9be2358f6a01',
            'One, with the changes that a person would make',
          ],
        ]).argument('[name]', 'Name of a TaskProposal'),
      ),
    ),
    { short: false },
  ).action(async (name: string | undefined, options: ProposalsOptions) => {
    const cluster = shell.io.createClusterClient(options);
    const namespace = options.namespace ?? cluster.namespace;
    const result =
      name === undefined
        ? buildProposalsResult(
            await (options.allNamespaces
              ? cluster.proposals.listAll()
              : cluster.proposals.list(namespace)),
            shell.io.now(),
          )
        : buildProposalResult(await readProposal(cluster, namespace, name));
    printResult(shell, result, options.output);
  });

const readProposal = async (
  { proposals }: ClusterClient,
  namespace: string,
  name: string,
): Promise<TaskProposal> => {
  const found = await proposals.read(namespace, name);
  if (found !== undefined) return found;
  const hint = `kubectl valetkey proposals -n ${namespace}`;
  throw new ToolError(EXIT.problems, [
    `TaskProposal ${namespace}/${name}: expected it to exist, got nothing: ${hint}`,
  ]);
};
