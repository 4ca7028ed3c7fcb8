import { kubectl } from '../../cluster/kubectl.ts';
import { agentPod, cluster, readReports } from '../stage.ts';
import type { Said } from './revocations.ts';

const LABELS = { app: 'crowd' };

/** Pods that ask for credentials without end, and say when the answer changes. */
export const crowdIn = (namespace: string, replicas: number) => {
  const { metadata, spec } = agentPod({
    name: 'crowd',
    namespace,
    tasks: { read: readReports },
    command: ['ask-on'],
  });
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'crowd', namespace },
    spec: {
      replicas,
      selector: { matchLabels: LABELS },
      template: { metadata: { labels: LABELS, annotations: metadata.annotations }, spec },
    },
  };
};

/** What each of them said; `pod` is who. */
export const saidByAll = async <T extends object>(
  namespace: string,
): Promise<(T & Said & { pod: string })[]> => {
  const args = ['-n', namespace, '-l', 'app=crowd', '-c', 'agent', '--prefix', '--tail=-1'];
  const { stdout } = await kubectl(cluster, ['logs', ...args, '--max-log-requests=100']);
  return stdout.split('\n').flatMap((line) => {
    const [, pod, text] = /^\[pod\/([^/]+)\/agent\] (\{.*\})$/.exec(line) ?? [];
    if (pod === undefined || text === undefined) return [];
    return { ...(JSON.parse(text) as T & Said), pod };
  });
};
