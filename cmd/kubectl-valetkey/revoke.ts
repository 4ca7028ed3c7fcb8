import { Option, type Command } from 'commander';

import { durationSeconds } from '../../lib/config/durations.ts';
import type { Revocation, RevocationSpec } from '../../lib/contract/authority-api.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import { getServiceAccountName } from '../../lib/injection/pod-context.ts';
import { formatValue } from '../../lib/schema/field-error.ts';
import { read } from '../../lib/schema/reader.ts';
import { matchesRun } from '../../lib/revocation/matching.ts';
import { revocationSpec } from '../../lib/revocation/revocation.ts';
import {
  newCommand,
  printResult,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from './command-line.ts';
import type { ClusterClient, ClusterOptions } from './cluster.ts';
import { buildRevokeResult } from './revoke-view.ts';
import { createUsageError, ToolError, EXIT } from './tool-error.ts';

/** Options of the command line that select the runs to revoke. */
export type RevokeTarget = {
  readonly run?: string;
  readonly pod?: string;
  readonly task?: string;
  readonly serviceAccount?: string;
  readonly namespace?: string;
  readonly all?: true;
};

type Options = ClusterOptions &
  OutputOptions &
  Omit<RevokeTarget, 'run'> & {
    readonly reason: string;
    readonly until?: string;
    readonly yes?: true;
  };

/** `revoke` */
export const createRevokeCommand = (shell: Shell): Command =>
  withCluster(
    withOutput(
      newCommand('revoke', 'End runs and block new ones', [
        [
          'kubectl valetkey revoke k3vqw2xb7n5m4c6d2e7f3g5h2j4k6l7m --reason "odd reads"',
          'One run',
        ],
        [
          'kubectl valetkey revoke --pod research/agent-7 --reason "prompt injection" --until 2h',
          'A pod, for two hours',
        ],
        [
          'kubectl valetkey revoke --namespace research --reason incident-42 --yes',
          'A namespace, from a script',
        ],
        ['kubectl get revocations', 'List Revocations; delete one to allow new runs again'],
      ])
        .argument('[run]', 'Run ID')
        .option('--pod <namespace/name>', 'All runs of a pod')
        .option('--task <namespace/service-account/task>', 'All runs of a task')
        .option('--service-account <namespace/name>', 'All runs of a service account')
        .option('--namespace <namespace>', 'All runs of a namespace; asks for confirmation')
        .option('--all', 'All runs; asks for confirmation')
        .addOption(
          new Option(
            '--reason <text>',
            'Reason, which the Revocation records',
          ).makeOptionMandatory(),
        )
        .option(
          '--until <time>',
          'When new runs may start again: a duration such as 2h, or an RFC 3339 time',
        )
        .option('--yes', 'Skip the confirmation'),
    ),
    { short: false },
  ).action((run: string | undefined, options: Options) =>
    runRevoke({ ...options, ...(run !== undefined && { run }) }, shell),
  );

const runRevoke = async (options: Options & RevokeTarget, shell: Shell): Promise<void> => {
  const { io } = shell;
  const spec = buildRevocationSpec(options, io.now());
  // Report usage errors before any request or confirmation.
  parseRevocationSpec({ ...spec, by: 'unknown' });
  const cluster = io.createClusterClient(options);
  await confirmRevocation(options, shell);
  const parsed = parseRevocationSpec({ ...spec, by: await cluster.readOwnName() });
  const name = await createRevocationObject(cluster, parsed, io.newId);
  const pods = await listMatchingPods(parsed, cluster).catch(() => undefined);
  const result = buildRevokeResult({ name, spec: parsed, ...(pods && { pods }) });
  printResult(shell, result, options.output);
};

/** Builds the unvalidated spec from the command line, without the user name (`by`). @throws ToolError */
export const buildRevocationSpec = (
  {
    run,
    pod,
    task,
    serviceAccount,
    namespace,
    all,
    reason,
    until,
  }: RevokeTarget & { readonly reason: string; readonly until?: string },
  now: number,
): Readonly<Record<string, unknown>> => ({
  ...(run !== undefined && { run }),
  ...(pod !== undefined && { pod: splitTarget('--pod', pod, ['namespace', 'name']) }),
  ...(task !== undefined && {
    task: splitTarget('--task', task, ['namespace', 'serviceAccount', 'task']),
  }),
  ...(serviceAccount !== undefined && {
    serviceAccount: splitTarget('--service-account', serviceAccount, ['namespace', 'name']),
  }),
  ...(namespace !== undefined && { namespace }),
  ...(all !== undefined && { all }),
  reason,
  ...(until !== undefined && { until: toTimestamp(until, now) }),
});

const splitTarget = (path: string, given: string, names: readonly string[]): object => {
  const values = given.split('/');
  if (values.length !== names.length) {
    throw createUsageError([{ path, expected: names.join('/'), got: given }]);
  }
  return Object.fromEntries(names.map((name, index) => [name, values[index]]));
};

const YEAR_SECONDS = 366 * 86_400;

/** Converts a duration from now to RFC 3339; returns other text unchanged, which the spec's parser checks. */
const toTimestamp = (until: string, now: number): string => {
  const duration = read(durationSeconds({ min: 1, max: YEAR_SECONDS }), until);
  return duration.ok ? new Date(now + duration.value * 1000).toISOString() : until;
};

/** Parses the spec of a Revocation. @throws ToolError */
export const parseRevocationSpec = (spec: object): RevocationSpec => {
  const result = read(revocationSpec, spec);
  if (result.ok) return result.value;
  throw createUsageError(
    result.faults.map((fault) =>
      fault.path === '(root)'
        ? { ...fault, path: 'revoke', expected: ONE_TARGET, got: 'none or several' }
        : fault,
    ),
  );
};

const ONE_TARGET = 'exactly one of RUN, --pod, --task, --service-account, --namespace and --all';

const confirmRevocation = async (
  { namespace, all, yes }: Options,
  { io: { ask } }: Shell,
): Promise<void> => {
  const target = all ? 'everything' : namespace && `namespace ${namespace}`;
  if (target === undefined || yes) return;
  if (ask === undefined) {
    throw createUsageError([
      {
        path: '--yes',
        expected: `this option to revoke ${target} without a terminal`,
        got: 'nothing',
      },
    ]);
  }
  const reply = await ask(`Revoke every run of ${target}? Type yes: `);
  if (reply.trim() === 'yes') return;
  const got = formatValue(reply.trim());
  throw new ToolError(EXIT.problems, [`nothing was revoked: expected the reply yes, got ${got}`]);
};

const MAX_TRIES = 3;

/** Creates a Revocation. @returns its name @throws ToolError, KubernetesError */
export const createRevocationObject = async (
  { createRevocation }: Pick<ClusterClient, 'createRevocation'>,
  spec: RevocationSpec,
  newId: () => string,
): Promise<string> => {
  for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
    const name = `revoke-${newId()}`;
    if ((await createRevocation(name, spec)) === 'created') return name;
  }
  throw new ToolError(EXIT.problems, [
    `Revocation: expected an unused name, got ${MAX_TRIES} names in use; run the command again`,
  ]);
};

/** Lists the running pods that match now. Only the authority knows the pod of a run: `undefined`. */
const listMatchingPods = async (
  spec: RevocationSpec,
  { listInjected }: ClusterClient,
): Promise<readonly string[] | undefined> => {
  if (spec.run !== undefined) return undefined;
  const pods: string[] = [];
  for await (const pod of listInjected()) if (matchesPod(spec, pod)) pods.push(formatPodName(pod));
  return pods.sort();
};

const formatPodName = ({ metadata }: Pod): string =>
  `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;

const matchesPod = (spec: RevocationSpec, pod: Pod): boolean =>
  matchesRun({ spec } satisfies Pick<Revocation, 'spec'>, {
    namespace: pod.metadata?.namespace ?? '',
    serviceAccount: getServiceAccountName(pod),
    pod: pod.metadata?.name ?? '',
    podUid: pod.metadata?.uid ?? '',
    // Any pod of the service account may run the task, so each of them matches.
    task: spec.task?.task ?? '',
  });
