import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasLogLine } from './control-plane.ts';
import { startProgram, waitForProgram } from './processes.ts';
import type { Cluster } from './cluster-file.ts';

/** Starts CoreDNS on the node's address for `*.svc.cluster.local`; it forwards nothing. */
export async function startDns(cluster: Cluster): Promise<void> {
  const corefile = join(cluster.folder, 'Corefile');
  writeFileSync(
    corefile,
    `.:53 {
  bind ${cluster.nodeAddress}
  errors
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    kubeconfig ${cluster.kubeconfig}
    pods insecure
    ttl 0
  }
}
`,
  );
  const program = startProgram({
    folder: cluster.folder,
    namespace: cluster.namespace,
    name: 'coredns',
    command: cluster.programs.coredns,
    args: ['-conf', corefile],
  });
  await waitForProgram(program, () => hasLogLine(program, 'CoreDNS-'));
}
