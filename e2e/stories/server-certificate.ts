import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../cluster/run.ts';
import { cluster } from './stage.ts';

/** A server certificate for one address, signed by the cluster's own CA. */
export const issueServerCertificate = async (address: string) => {
  const folder = mkdtempSync(join(tmpdir(), 'vk-tls-'));
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  const args = ['req', '-x509', '-new', '-nodes', '-newkey', 'ec', '-sha256', '-days', '2'];
  args.push('-pkeyopt', 'ec_paramgen_curve:P-256', '-subj', '/CN=e2e', '-keyout', key);
  args.push('-CA', cluster.caCertificate, '-CAkey', cluster.caKey, '-out', certificate);
  await run('openssl', [...args, '-addext', `subjectAltName=IP:${address}`]);
  return { key: readFileSync(key, 'utf8'), certificate: readFileSync(certificate, 'utf8') };
};
