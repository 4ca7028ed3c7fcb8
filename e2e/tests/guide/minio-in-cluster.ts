import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { placeFile } from '../../../tools/image/root-folder.ts';
import type { Cluster } from '../../cluster/cluster-file.ts';
import { runCommand } from '../../cluster/command.ts';
import { loadImage, writeBusyboxRoot } from '../../cluster/images.ts';
import { applyObjects, getJson } from '../../cluster/kubectl.ts';

export const minioAdmin = { user: 'guide-admin', password: 'guide-admin-secret' };

/** What the page expects: a Service `minio` in the namespace `minio`, whose certificate a private CA signed. */
export type MinioService = { readonly address: string; readonly ca: string };

const metadata = { name: 'minio', namespace: 'minio' };
const labels = { app: 'minio' };

/** Creates the namespace, the Service and its certificate, in a Secret. */
export const createMinioService = async (node: Cluster, folder: string): Promise<MinioService> => {
  await applyObjects(node, [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'minio' } },
    {
      ...{ apiVersion: 'v1', kind: 'Service', metadata },
      spec: { selector: labels, ports: [{ port: 9000 }] },
    },
  ]);
  const { spec } = await getJson<{ spec: { clusterIP: string } }>(node, [
    ...['service', 'minio', '-n', 'minio'],
  ]);
  const { ca, certificate, key } = await createCertificate(folder, spec.clusterIP);
  await applyObjects(node, {
    ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'minio-tls', namespace: 'minio' } },
    stringData: { 'public.crt': certificate, 'private.key': key },
  });
  return { address: spec.clusterIP, ca };
};

const createCertificate = async (folder: string, address: string) => {
  const openssl = (...args: string[]) => runCommand('openssl', args, { cwd: folder });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const names = `subjectAltName=DNS:minio.minio.svc,IP:${address}`;
  const self = ['-x509', '-days', '2', '-subj', '/CN=MinIO CA', '-keyout', 'ca.key'];
  await openssl('req', ...self, ...newKey, '-out', 'minio-ca.crt');
  const leaf = ['-x509', '-days', '2', '-subj', '/CN=minio', '-keyout', 'private.key'];
  const signer = ['-CA', 'minio-ca.crt', '-CAkey', 'ca.key', '-addext', names];
  const usage = ['-addext', 'basicConstraints=critical,CA:FALSE'];
  await openssl('req', ...leaf, ...newKey, ...signer, ...usage, '-out', 'public.crt');
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  return { ca: read('minio-ca.crt'), certificate: read('public.crt'), key: read('private.key') };
};

/** Builds an image with what MinIO's own has: a shell, the server and its client. */
export const loadMinioImage = async (node: Cluster, folder: string): Promise<string> => {
  const rootFolder = join(folder, 'image');
  mkdirSync(rootFolder);
  await writeBusyboxRoot(rootFolder);
  for (const name of ['minio', 'mc'] as const) {
    placeFile(node.programs[name], join(rootFolder, 'bin', name));
  }
  return (await loadImage({ cluster: node, name: 'minio', rootFolder })).reference;
};

/** Starts MinIO with these variables, as an administrator who follows the page: certificate folder and all. */
export const startMinioInCluster = async (
  node: Cluster,
  { folder, env }: { readonly folder: string; readonly env: Readonly<Record<string, string>> },
): Promise<void> => {
  const image = await loadMinioImage(node, folder);
  const variables = {
    MINIO_ROOT_USER: minioAdmin.user,
    MINIO_ROOT_PASSWORD: minioAdmin.password,
    MINIO_BROWSER: 'off',
    MINIO_UPDATE: 'off',
    ...env,
  };
  await applyObjects(node, {
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [
            {
              name: 'minio',
              image,
              imagePullPolicy: 'Never',
              command: ['/bin/minio', 'server', '--certs-dir', '/certs', '/data'],
              env: Object.entries(variables).map(([name, value]) => ({ name, value })),
              volumeMounts: [
                { name: 'certs', mountPath: '/certs' },
                { name: 'data', mountPath: '/data' },
              ],
              readinessProbe: { tcpSocket: { port: 9000 }, periodSeconds: 1 },
            },
          ],
          volumes: [
            { name: 'data', emptyDir: {} },
            {
              name: 'certs',
              projected: {
                sources: [
                  { secret: { name: 'minio-tls' } },
                  {
                    configMap: {
                      name: 'valetkey-ca',
                      items: [{ key: 'valetkey.crt', path: 'CAs/valetkey.crt' }],
                    },
                  },
                ],
              },
            },
          ],
        },
      },
    },
  });
};
