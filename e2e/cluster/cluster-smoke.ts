import { join } from 'node:path';
import { startClouds } from '../clouds/cloud-startup.ts';
import { stopTestCluster, startTestCluster } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import { applyObjects, execInPod, waitForPod } from './kubectl.ts';
import { buildEnterCommand } from './network-namespace.ts';
import { runCommand } from './command.ts';
import type { Progress } from './progress.ts';
import { runUntilInterrupted } from './interrupt.ts';

/** Checks a cluster end to end: pod, clouds, a token exchange at both, S3 in and out of scope; then stops it. */
export async function runSmokeTest(progress: Progress): Promise<void> {
  const cluster = await startTestCluster({ progress });
  try {
    await runUntilInterrupted(runClusterChecks(cluster, progress));
  } finally {
    await stopTestCluster(cluster);
    progress('down');
  }
}

async function runClusterChecks(cluster: Cluster, progress: Progress): Promise<void> {
  await Promise.all([
    startClouds(cluster, progress),
    runAgent(cluster).then(() => {
      progress('pod Running');
    }),
  ]);
  const { stdout: token } = await execInPod(cluster, { pod: 'agent' }, ['cat', '/token/token']);
  // The SDK connects to addresses of the network namespace, so it must run there.
  const program = join(import.meta.dirname, '..', 'clouds', 'cloud-smoke.ts');
  const files = [join(cluster.folder, 'minio.json'), join(cluster.folder, 'rgw.json')];
  const { stdout } = await runCommand(
    ...buildEnterCommand(cluster.namespace, process.execPath, [program, ...files]),
    {
      input: token,
    },
  );
  for (const line of stdout.trim().split('\n')) progress(line);
}

/** A pod with a projected token for the clouds' audience, and the settings that an SDK needs. */
async function runAgent(cluster: Cluster): Promise<void> {
  const audience = 'sts.amazonaws.com';
  await applyObjects(cluster, [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'agent', namespace: 'default' } },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'agent', namespace: 'default' },
      spec: {
        serviceAccountName: 'agent',
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: 'agent',
            image: 'localhost/busybox:1',
            imagePullPolicy: 'Never',
            command: ['sleep', '3600'],
            volumeMounts: [{ name: 'token', mountPath: '/token', readOnly: true }],
          },
        ],
        volumes: [
          {
            name: 'token',
            projected: {
              sources: [
                { serviceAccountToken: { audience, expirationSeconds: 600, path: 'token' } },
              ],
            },
          },
        ],
      },
    },
  ]);
  await waitForPod(cluster, { pod: 'agent' });
}
