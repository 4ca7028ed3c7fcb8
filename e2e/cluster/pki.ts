import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './command.ts';

export type KeyPair = { certificate: string; key: string };
export type Pki = {
  ca: KeyPair;
  /** RSA; the private key signs service-account tokens, the certificate over it is self-signed. */
  serviceAccounts: KeyPair & { publicKey: string };
  apiserver: KeyPair;
  kubelet: KeyPair;
  issuer: KeyPair;
  clients: Record<ClientName, KeyPair>;
};

/** Kubernetes reads the user from the CN of the certificate, and groups from its O. */
const subjects = {
  admin: '/O=system:masters/CN=admin',
  'kubelet-client': '/O=system:masters/CN=kube-apiserver',
  'kube-controller-manager': '/CN=system:kube-controller-manager',
  'kube-scheduler': '/CN=system:kube-scheduler',
  'kube-proxy': '/CN=system:kube-proxy',
  kubelet: '/O=system:nodes/CN=system:node:NODE',
} as const;

export type ClientName = keyof typeof subjects;

export type PkiPlan = {
  folder: string;
  nodeName: string;
  nodeAddress: string;
  issuerAddress: string;
  serviceAddress: string;
};

/** Creates a CA, every certificate of the cluster, and the key of its issuer. */
export async function createPki(plan: PkiPlan): Promise<Pki> {
  const { folder } = plan;
  mkdirSync(folder, { recursive: true });
  // An empty configuration, because the system's would add extensions to every certificate.
  writeFileSync(join(folder, 'openssl.cnf'), '[req]\ndistinguished_name = dn\n[dn]\n');
  const ca = await createSelfSigned(folder, 'ca', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']);
  const names = `DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local`;
  const [serviceAccounts, apiserver, kubelet, issuer, clients] = await Promise.all([
    createServiceAccountKeys(folder),
    createLeaf(
      folder,
      'apiserver',
      '/CN=kube-apiserver',
      `IP:${plan.nodeAddress},IP:${plan.serviceAddress},IP:127.0.0.1,${names}`,
    ),
    createLeaf(
      folder,
      'kubelet-server',
      `/CN=${plan.nodeName}`,
      `DNS:${plan.nodeName},IP:${plan.nodeAddress}`,
    ),
    createLeaf(folder, 'issuer', '/CN=issuer', `IP:${plan.issuerAddress}`),
    createClientCertificates(folder, plan.nodeName),
  ]);
  return { ca, serviceAccounts, apiserver, kubelet, issuer, clients };
}

async function createClientCertificates(
  folder: string,
  nodeName: string,
): Promise<Record<ClientName, KeyPair>> {
  const pairs = Object.entries(subjects).map(async ([name, subject]) => {
    return [
      name,
      await createLeaf(folder, `client-${name}`, subject.replace('NODE', nodeName)),
    ] as const;
  });
  return Object.fromEntries(await Promise.all(pairs)) as Record<ClientName, KeyPair>;
}

async function createServiceAccountKeys(folder: string): Promise<Pki['serviceAccounts']> {
  const pair = await createSelfSigned(folder, 'service-accounts', ['rsa:2048']);
  const publicKey = join(folder, 'service-accounts.pub');
  await runCommand('openssl', ['pkey', '-in', pair.key, '-pubout', '-out', publicKey]);
  return { ...pair, publicKey };
}

async function createSelfSigned(
  folder: string,
  name: string,
  algorithm: string[],
): Promise<KeyPair> {
  const pair = getKeyPairPaths(folder, name);
  await createSigningRequest(folder, pair, [
    '-newkey',
    ...algorithm,
    '-subj',
    `/CN=valetkey-e2e-${name}`,
    '-addext',
    'basicConstraints=critical,CA:TRUE',
    '-addext',
    'keyUsage=critical,keyCertSign,digitalSignature',
    '-addext',
    'subjectKeyIdentifier=hash',
  ]);
  return pair;
}

/** Creates a certificate for an existing key. */
export async function signOwnCertificate(
  folder: string,
  key: string,
  certificate: string,
): Promise<void> {
  const config = ['-config', join(folder, 'openssl.cnf')];
  await runCommand('openssl', [
    'req',
    '-x509',
    ...config,
    '-days',
    '30',
    '-key',
    key,
    '-out',
    certificate,
    '-subj',
    '/CN=issuer',
  ]);
}

async function createLeaf(
  folder: string,
  name: string,
  subject: string,
  altNames?: string,
): Promise<KeyPair> {
  const pair = getKeyPairPaths(folder, name);
  const ca = getKeyPairPaths(folder, 'ca');
  await createSigningRequest(folder, pair, [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-CA',
    ca.certificate,
    '-CAkey',
    ca.key,
    '-subj',
    subject,
    '-addext',
    'basicConstraints=critical,CA:FALSE',
    '-addext',
    'keyUsage=critical,digitalSignature',
    '-addext',
    'extendedKeyUsage=serverAuth,clientAuth',
    '-addext',
    'authorityKeyIdentifier=keyid',
    ...(altNames === undefined ? [] : ['-addext', `subjectAltName=${altNames}`]),
  ]);
  return pair;
}

async function createSigningRequest(folder: string, pair: KeyPair, args: string[]): Promise<void> {
  const fixed = [
    'req',
    '-x509',
    '-new',
    '-nodes',
    '-sha256',
    '-days',
    '30',
    '-config',
    join(folder, 'openssl.cnf'),
  ];
  await runCommand('openssl', [...fixed, '-keyout', pair.key, '-out', pair.certificate, ...args]);
}

function getKeyPairPaths(folder: string, name: string): KeyPair {
  return { certificate: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
}

/** Builds a self-contained kubeconfig as JSON, which is YAML. */
export function buildKubeconfig(apiServer: string, ca: string, client: KeyPair): string {
  const data = (file: string): string => readFileSync(file).toString('base64');
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'e2e', cluster: { server: apiServer, 'certificate-authority-data': data(ca) } },
    ],
    users: [
      {
        name: 'e2e',
        user: {
          'client-certificate-data': data(client.certificate),
          'client-key-data': data(client.key),
        },
      },
    ],
    contexts: [{ name: 'e2e', context: { cluster: 'e2e', user: 'e2e', namespace: 'default' } }],
    'current-context': 'e2e',
  });
}
