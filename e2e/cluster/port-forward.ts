import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { ClusterAccess } from './cluster-file.ts';

/** A port of this machine that leads to one of a pod, until it is closed. */
export type PortForward = { readonly port: number; readonly close: () => Promise<void> };

const FORWARDING = /^Forwarding from 127\.0\.0\.1:(\d+) /;

/**
 * Starts `kubectl port-forward`. Call it inside the cluster's network.
 *
 * @throws Error if kubectl ends before it forwards
 */
export const forwardPort = async (
  { kubeconfig, kubectlProgram }: ClusterAccess,
  { namespace, pod }: { readonly namespace: string; readonly pod: string },
  podPort: number,
): Promise<PortForward> => {
  const args = ['--kubeconfig', kubeconfig, 'port-forward', '-n', namespace, `pod/${pod}`];
  const child = spawn(kubectlProgram, [...args, `:${podPort}`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  for await (const line of createInterface({ input: child.stdout })) {
    const [, port] = FORWARDING.exec(line) ?? [];
    if (port === undefined) continue;
    child.stdout.resume();
    return {
      port: Number(port),
      close: async () => {
        child.kill();
        await ended;
      },
    };
  }
  throw new Error(`kubectl port-forward to ${namespace}/${pod}: ended before it forwarded`);
};
