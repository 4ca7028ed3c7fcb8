import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../cluster/command.ts';
import type { Cluster } from '../cluster/cluster-file.ts';

/** Issues a server certificate for the node's address, signed by the cluster's CA. */
export const issueServerCertificate = async (node: Cluster) => {
  const folder = mkdtempSync(join(tmpdir(), 'vk-tls-'));
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  const args = ['req', '-x509', '-new', '-nodes', '-newkey', 'ec', '-sha256', '-days', '2'];
  args.push('-pkeyopt', 'ec_paramgen_curve:P-256', '-subj', '/CN=e2e', '-keyout', key);
  args.push('-CA', node.caCertificate, '-CAkey', node.caKey, '-out', certificate);
  await runCommand('openssl', [...args, '-addext', `subjectAltName=IP:${node.nodeAddress}`]);
  return { key: readFileSync(key, 'utf8'), certificate: readFileSync(certificate, 'utf8') };
};
