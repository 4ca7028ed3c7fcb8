import { runKubectl } from '../../cluster/kubectl.ts';
import { buildAgentPod, cluster, readReports } from '../test-context.ts';
import type { ConsumerLine } from './revocation-objects.ts';

const GROUP_LABELS = { app: 'pod-group' };

/** Builds a Deployment of pods that request credentials repeatedly, and print when the response changes. */
export const buildPodGroup = (namespace: string, replicas: number) => {
  const { metadata, spec } = buildAgentPod({
    name: 'pod-group',
    namespace,
    tasks: { read: readReports },
    command: ['ask-on'],
  });
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'pod-group', namespace },
    spec: {
      replicas,
      selector: { matchLabels: GROUP_LABELS },
      template: { metadata: { labels: GROUP_LABELS, annotations: metadata.annotations }, spec },
    },
  };
};

/** Reads the lines that each pod of the group printed. */
export const readGroupLines = async <T extends object>(
  namespace: string,
): Promise<(T & ConsumerLine & { pod: string })[]> => {
  const args = ['-n', namespace, '-l', 'app=pod-group', '-c', 'agent', '--prefix', '--tail=-1'];
  const { stdout } = await runKubectl(cluster, ['logs', ...args, '--max-log-requests=100']);
  return stdout.split('\n').flatMap((line) => {
    const [, pod, text] = /^\[pod\/([^/]+)\/agent\] (\{.*\})$/.exec(line) ?? [];
    if (pod === undefined || text === undefined) return [];
    return { ...(JSON.parse(text) as T & ConsumerLine), pod };
  });
};
