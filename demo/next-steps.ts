import { dirname } from 'node:path';
import { CONSUMER_ENV } from '../lib/contract/environment.ts';
import { buildProcess } from './pod-processes.ts';
import { findContainer } from './demo-pod.ts';
import { DEMO_PROGRAMS } from './demo-programs.ts';
import type { DemoState } from './demo.ts';

/** Shell commands to try while everything keeps running. */
export const renderNextSteps = ({
  layout,
  pod,
  telemetryUrl,
  kubeconfig,
  records,
}: DemoState): string => {
  const { env, command } = buildProcess(layout, findContainer(pod, 'agent'));
  const uri = env[CONSUMER_ENV.credentialsUri] ?? '';
  const { origin } = new URL(uri);
  const token = '-H "Authorization: $(cat $A/token)"';
  const assignments = Object.entries(env).map(([name, value]) => `${name}='${value}'`);
  const tool = `${DEMO_PROGRAMS.node} ${DEMO_PROGRAMS.folder}/kubectl-valetkey.cjs`;
  return `
Everything keeps running. Press Ctrl-C to stop it and remove ${layout.folder}.
Try, in another shell:

  A=${dirname(env[CONSUMER_ENV.socket] ?? '')}

  # the agent's local keys, as an SDK asks for them: no cloud accepts them
  curl -s ${token} ${uri}; echo

  # what the agent may run; and the helper's task, which is refused
  curl -s --unix-socket $A/socket http://localhost/v1/tasks; echo
  curl -s ${token} ${origin}/v1/tasks/archive/credentials; echo

  # without the token nothing is answered
  curl -s ${uri}; echo

  # what a person sees, and what policy decides
  export KUBECONFIG=${kubeconfig}
  ${tool} status
  ${tool} revoke --pod default/agent --reason "trying it out"

  # what happened in a run, from its intent to its end
  ${tool} ${records.command.join(' ')}

  # what Prometheus sees
  curl -s ${telemetryUrl}/metrics

  # the agent's program once more, with steps of your own
  env -i ${assignments.join(' ')} \\
    ${command.slice(0, 2).join(' ')} \\
    'read acme-data/reports/q3.csv' 'write acme-data/reports/q4.csv' 'bypass acme-data/reports/q3.csv'
`;
};
