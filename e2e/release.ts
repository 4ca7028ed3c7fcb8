import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../test/kit/retry.ts';
import { applyObjects, getJson, runKubectl } from './cluster/kubectl.ts';
import { runInside } from './cluster/network-namespace.ts';
import type { Cloud } from './clouds/cloud.ts';
import { userAudience, createUserIssuer } from './cluster/issuer-documents.ts';
import { auditBucket, optedInRole, publisherRole, revokerRole } from './clouds/cloud-trust.ts';
import type { ClusterAccess } from './cluster/cluster-file.ts';
import type { TestEnvironment } from './test-environment.ts';

export type Release = { name: string; namespace: string; chart: string; valuesFile: string };

type ReleaseTarget = Pick<
  TestEnvironment,
  'cluster' | 'node' | 'helm' | 'images' | 'imagePullPolicy'
> & {
  cloud: Cloud;
  trust: Trust;
};

/** What the clouds of a matrix entry trust: the authority at this issuer, or the cluster itself. */
export type Trust = { kind: 'authority'; issuer: string; audience: string } | { kind: 'cluster' };

/** Builds chart values for one cloud, as a platform team would write them, with a minimum lifetime of seconds. */
export const buildChartValues = ({
  cloud,
  node,
  images,
  imagePullPolicy,
  trust,
}: ReleaseTarget) => {
  const [repository = '', tag = ''] = images.valetkey.split(/:(?=[^:/]+$)/);
  return {
    image: { repository, tag, pullPolicy: imagePullPolicy },
    trust: trust.kind,
    ...(trust.kind === 'authority' && {
      authority: {
        issuer: trust.issuer,
        cloudAudience: trust.audience,
        secrets: { namespace: UPSTREAM_SECRETS },
        ...buildDenyListValues(cloud),
        ...buildUserIssuers(node),
        resources: { requests: { cpu: '20m' } },
        // There is no storage class.
        audit: { file: { persistent: false }, ...(node !== undefined && buildAuditValues(cloud)) },
        ...(cloud.name === 'rgw' && { publisher: { role: publisherRole } }),
      },
    }),
    cloud: {
      region: cloud.region,
      stsEndpoint: cloud.stsEndpoint,
      // The authority reads its published keys where the cloud does: at the issuer proxy.
      ...(node !== undefined && { caBundle: readFileSync(node.caCertificate, 'utf8') }),
      allowHttp: true,
      dialect: cloud.dialect,
      // Of tasks with delivery: sign. The others set the endpoint themselves.
      endpoints: [{ service: 's3', url: cloud.s3Endpoint }],
      sourceRestriction: { mode: 'podIP' },
    },
    // Small requests, so that twenty pods fit on a node of two cores.
    sidecar: {
      ...(trust.kind === 'cluster' && { audience: cloud.audience }),
      resources: { cpu: '5m' },
    },
    webhook: { resources: { requests: { cpu: '20m' } } },
    // Stated, because an upgrade keeps what the release before has.
    tasks: { minLifetime: '2s', delivery: 'vend' },
    policy: { vend: 'free' },
    pods: buildPodSettings(images.agent),
  };
};

/** Issuers of users: the issuer proxy publishes their keys. */
const buildUserIssuers = (node: TestEnvironment['node']) => {
  if (node === undefined) return {};
  const issuer = createUserIssuer(node);
  const caBundle = readFileSync(node.caCertificate, 'utf8');
  const people = { issuer, jwksUri: `${issuer}/jwks`, audience: userAudience, caBundle };
  return { users: { issuers: [people] } };
};

/** Namespace of the Secrets that Upstreams name. It outlives the entries: the release has a Role in it. */
export const UPSTREAM_SECRETS = 'e2e-upstreams';

/** User of the tests who creates pods as a controller does. */
export const HELPER_CONTROLLER = 'e2e-controller';

/** Exemptions for the tests. */
const buildPodSettings = (agentImage: string) => ({
  apiTokenContainers: [
    {
      name: 'wait',
      image: agentImage.replace(/[:@][^/]*$/, ''),
      createdBy: HELPER_CONTROLLER,
    },
  ],
  baselineNamespaces: ['e2e-baseline'],
  ruleExemptions: [{ namespace: 'e2e-exempted', rule: '3' }],
  breakGlassGroup: 'e2e-break-glass',
});

/** Only RGW has roles that deny single sessions. */
const buildDenyListValues = ({ name, s3Endpoint }: Cloud) =>
  name === 'rgw' && {
    denyList: { revokerRole, iamEndpoint: s3Endpoint, roles: [optedInRole] },
  };

/** Small files, so that a few dozen runs close one: 128 KiB, an eighth of the maximum. */
const buildAuditValues = ({ name, s3Endpoint }: Cloud) =>
  name === 'rgw' && {
    file: { persistent: false, maxBytes: '1Mi' },
    export: { bucket: auditBucket, prefix: 'e2e', endpoint: s3Endpoint },
  };

/** Installs the chart, or upgrades it, and waits until both replicas are ready. */
export const installRelease = async (
  { cluster, helm }: ReleaseTarget,
  release: Release,
  values: object,
): Promise<void> => {
  writeFileSync(release.valuesFile, JSON.stringify(values, undefined, 2));
  await applyObjects(cluster, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: UPSTREAM_SECRETS },
  });
  const { name, chart, namespace, valuesFile } = release;
  const args = ['upgrade', '--install', name, chart, '--namespace', namespace];
  args.push('--create-namespace', '--values', valuesFile, '--wait', '--timeout', '300s');
  await runInside(cluster.namespace, helm, ['--kubeconfig', cluster.kubeconfig, ...args], {
    timeoutMs: 310_000,
  }).catch(async (error: unknown) => {
    throw new Error(`${(error as Error).message}\n${await describeRelease(cluster, namespace)}`);
  });
  await waitFor('termination of the previous replicas', async () => {
    const pods = await listReleasePods(cluster, namespace);
    return pods.every(({ metadata }) => metadata.deletionTimestamp === undefined);
  });
};

/** Uninstalls the chart, if it is installed, and waits until its last replica has ended. */
export const uninstallRelease = async (
  { cluster, helm }: ReleaseTarget,
  { name, namespace }: Release,
): Promise<void> => {
  const args = ['uninstall', name, '--namespace', namespace, '--ignore-not-found'];
  // In the background, the objects are gone before their pods, which write until they end.
  args.push('--cascade', 'foreground', '--wait', '--timeout', '300s');
  await runInside(cluster.namespace, helm, ['--kubeconfig', cluster.kubeconfig, ...args], {
    timeoutMs: 310_000,
  });
};

type ReplicaPod = {
  metadata: { deletionTimestamp?: string };
  status: { podIP?: string; containerStatuses?: { containerID?: string }[] };
};

/** Lists webhook replicas, including draining ones, which still use the previous settings. */
export const listWebhookPods = async (
  cluster: ClusterAccess,
  namespace: string,
): Promise<ReplicaPod[]> =>
  listReleasePods(cluster, namespace, ',app.kubernetes.io/component=webhook');

const listReleasePods = async (
  cluster: ClusterAccess,
  namespace: string,
  more = '',
): Promise<ReplicaPod[]> => {
  const where = ['-n', namespace, '-l', `app.kubernetes.io/name=valetkey${more}`];
  return (await getJson<{ items: ReplicaPod[] }>(cluster, ['pods', ...where])).items;
};

const describeRelease = async (cluster: ClusterAccess, namespace: string): Promise<string> => {
  const commands = [
    ['get', 'pods,events', '-n', namespace],
    ['logs', '-n', namespace, '-l', 'app.kubernetes.io/component=webhook', '--tail=20'],
    ['logs', '-n', namespace, '-l', 'app.kubernetes.io/component=authority', '--tail=20'],
  ];
  const texts = commands.map(async (args) => (await runKubectl(cluster, args)).stdout);
  return (await Promise.allSettled(texts))
    .map((text) => (text.status === 'fulfilled' ? text.value : String(text.reason)))
    .join('\n');
};

export const buildRelease = (folder: string): Release => ({
  name: 'valetkey',
  namespace: 'valetkey',
  chart: join(import.meta.dirname, '..', 'charts', 'valetkey'),
  valuesFile: join(folder, 'values.json'),
});
