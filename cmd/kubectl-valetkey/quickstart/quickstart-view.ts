import type { CommandResult } from '../command-result.ts';
import type { AgentPod } from './agent-manifest.ts';
import type { CallOutcome, CallOutcomes } from './agent.ts';

/** Output of `quickstart`. It is healthy if one call was allowed and the other was refused as not allowed. */
export const buildQuickstartResult = (
  { namespace, name, commands }: Pick<AgentPod, 'namespace' | 'name' | 'commands'>,
  { allowed, refused }: CallOutcomes,
): CommandResult => {
  const isAllowed = allowed.exitCode === 0;
  const isRefused = refused.exitCode !== 0 && refused.log.includes('AccessDenied');
  const isHealthy = isAllowed && isRefused;
  return {
    isHealthy,
    lines: [
      ...formatCall(isAllowed ? 'allowed' : 'FAILED, expected allowed', commands.allowed, allowed),
      ...formatCall(isRefused ? 'refused' : 'FAILED, expected refused', commands.refused, refused),
      '',
      ...(isHealthy ? nextSteps(namespace, name) : diagnosis(namespace, name)),
    ],
    json: {
      namespace,
      pod: name,
      allowed: { command: commands.allowed, isAllowed, ...allowed },
      refused: { command: commands.refused, isRefused, ...refused },
    },
  };
};

const formatCall = (outcome: string, command: string, { log }: CallOutcome): readonly string[] => [
  `${outcome}: ${command}`,
  ...log.split('\n').map((line) => `  ${line}`),
];

const nextSteps = (namespace: string, pod: string): readonly string[] => [
  'The agent has no key of MinIO: the sidecar signed the first call, and did not send the second.',
  'Next:',
  `  kubectl valetkey explain ${pod} -n ${namespace}    # why the task is allowed`,
  `  kubectl -n ${namespace} get pod ${pod} -o yaml     # the task, and the sidecar that was added`,
  '  edit manifests/quickstart/agent.yaml          # another task; then run this command again',
  '  kubectl valetkey quickstart --delete          # delete the namespace',
];

const diagnosis = (namespace: string, pod: string): readonly string[] => [
  'Find the reason:',
  `  kubectl -n ${namespace} describe pod ${pod}   # Events of the authority`,
  `  kubectl -n ${namespace} logs ${pod} -c valetkey-sidecar`,
  '  kubectl valetkey status                       # problems of the installation',
];
