import { InvalidArgumentError, type Command } from 'commander';

import type { NamespaceObjects } from '../../../lib/edge/kubernetes/namespace-objects.ts';
import { toMapping } from '../../../lib/schema/mapping.ts';
import type { ClusterOptions } from '../cluster.ts';
import {
  newCommand,
  printResult,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from '../command-line.ts';
import { createProblemError } from '../tool-error.ts';
import { readAgentPod, type AgentPod } from './agent-manifest.ts';
import { createAgent, observeCalls, observeRemoval } from './agent.ts';
import { observeInstallation, TASKS_LABEL } from './installation.ts';
import { observeMinio, trustAuthority } from './minio.ts';
import { buildQuickstartResult } from './quickstart-view.ts';
import { waitUntil, type Observation } from './waiting.ts';

type Options = ClusterOptions &
  OutputOptions & {
    readonly filename: string;
    readonly timeout: number;
    readonly delete?: true;
  };

/** Label that manifests/quickstart/namespace.yaml sets. */
const OWN_LABEL = 'valetkey.dev/quickstart';

/** `quickstart` */
export const createQuickstartCommand = (shell: Shell): Command =>
  withCluster(
    withOutput(
      newCommand('quickstart', 'Run an agent against MinIO: one allowed and one refused call', [
        ['kubectl valetkey quickstart', 'In the folder that has manifests/quickstart'],
        ['kubectl valetkey quickstart --delete', 'Delete its namespace'],
      ])
        .option('-f, --filename <file>', 'Manifest of the agent', 'manifests/quickstart/agent.yaml')
        .option('--timeout <seconds>', 'Longest wait of each step', parseSeconds, 180)
        .option('--delete', 'Delete the namespace, and wait until it is gone'),
    ),
  ).action((options: Options) => runQuickstart(options, shell));

const parseSeconds = (text: string): number => {
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= 3600) return seconds;
  throw new InvalidArgumentError('expected 1 to 3600 seconds.');
};

type Step = <T>(goal: string, observe: () => Promise<Observation<T>>, hint: string) => Promise<T>;

const runQuickstart = async (options: Options, shell: Shell): Promise<void> => {
  const { io } = shell;
  const agent = await readAgentPod(options.filename, io);
  const cluster = io.createClusterClient(options);
  const objects = cluster.inNamespace(agent.namespace);
  const timeoutMs = options.timeout * 1000;
  const step: Step = (goal, observe, hint) => waitUntil(observe, { goal, timeoutMs, hint }, io);
  if (options.delete) {
    printResult(shell, await deleteNamespace(agent, { objects, step }), options.output);
    return;
  }
  if ((await objects.readNamespace()) === undefined) {
    const expected = 'it to exist; kubectl apply -f manifests/quickstart/namespace.yaml creates it';
    const path = `namespace ${agent.namespace}`;
    throw createProblemError([{ path, expected, got: 'nothing' }]);
  }
  const ca = await step(
    'an installation of Valetkey',
    () => observeInstallation(cluster),
    'kubectl valetkey status and kubectl valetkey check show what is missing',
  );
  await objects.labelNamespace(TASKS_LABEL);
  await trustAuthority(objects, { namespace: agent.namespace, ca });
  const inspect = `kubectl -n ${agent.namespace} describe pods shows more`;
  await step('MinIO to run', () => observeMinio(objects), inspect);
  await step('an earlier agent to end', () => observeRemoval(objects, agent.name), inspect);
  await createAgent(objects, agent);
  const calls = () => observeCalls(objects, agent.name, io.now);
  const outcomes = await step('the calls of the agent', calls, inspect);
  printResult(shell, buildQuickstartResult(agent, outcomes), options.output);
};

/** Only a namespace that is for the quick start: the file may name any. */
const deleteNamespace = async (
  { namespace }: AgentPod,
  { objects, step }: { readonly objects: NamespaceObjects; readonly step: Step },
) => {
  const found = await objects.readNamespace();
  const { labels, uid } = toMapping(found?.['metadata']);
  if (found !== undefined && toMapping(labels)[OWN_LABEL] !== 'true') {
    const expected = `the label ${OWN_LABEL}: "true"; it is not deleted without`;
    throw createProblemError([{ path: `namespace ${namespace}`, expected, got: 'none' }]);
  }
  if (found !== undefined) await objects.removeNamespace(String(uid));
  await step(
    `the end of namespace ${namespace}`,
    async () =>
      (await objects.readNamespace()) === undefined
        ? { done: true }
        : { pending: 'its objects are being deleted' },
    `kubectl get namespace ${namespace} -o yaml shows what remains`,
  );
  return {
    isHealthy: true,
    lines: [
      `namespace ${namespace} ${found === undefined ? 'did not exist' : 'is deleted'}`,
      'Valetkey itself is still installed: helm uninstall valetkey --namespace valetkey',
    ],
    json: { namespace, isDeleted: found !== undefined },
  };
};
