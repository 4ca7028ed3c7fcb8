import { beforeAll, describe, expect, it } from '@jest/globals';
import { WEBHOOK_LISTEN } from '../../../lib/contract/paths.ts';
import { waitFor } from '../../../test/kit/retry.ts';
import { installRelease, buildChartValues, listWebhookPods } from '../../release.ts';
import { getJson, runKubectl } from '../../cluster/kubectl.ts';
import {
  cloud,
  cluster,
  createNamespace,
  expectRead,
  readReports,
  runPod,
  testContext,
} from '../test-context.ts';
import { readServedCertificates as servedOn } from '../served-certificates.ts';
import { startCreationStream } from '../creation-stream.ts';

const reads = { read: readReports };
const { release } = testContext;

type WebhookConfiguration = { webhooks: { clientConfig: { caBundle?: string } }[] };

const readCaBundles = async (): Promise<string[]> => {
  const kinds = ['mutatingwebhookconfiguration', 'validatingwebhookconfiguration'];
  const configurations = await Promise.all(
    kinds.map((kind) => getJson<WebhookConfiguration>(cluster, [kind, webhookName])),
  );
  return configurations.flatMap(({ webhooks }) =>
    webhooks.map(({ clientConfig }) => clientConfig.caBundle ?? ''),
  );
};

const webhookName = 'valetkey';
const deployment = 'deployment/valetkey-webhook';

const waitForRollout = () =>
  runKubectl(
    cluster,
    ['rollout', 'status', deployment, '-n', release.namespace, '--timeout=300s'],
    {
      timeoutMs: 310_000,
    },
  );

/** Reads the fingerprint of the certificate of each webhook replica. */
const readReplicaCertificates = async (): Promise<string[]> => {
  const pods = await listWebhookPods(cluster, release.namespace);
  const staying = pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  return servedOn(
    staying.flatMap(({ status }) => status.podIP ?? []),
    WEBHOOK_LISTEN,
  );
};

const splitCertificates = (bundle: string): string[] =>
  Buffer.from(bundle, 'base64')
    .toString()
    .match(/-----BEGIN[^-]+-----[^-]+/g) ?? [];

describe(`continuous pod creation (${cloud.name})`, () => {
  let namespace: string;

  beforeAll(async () => {
    namespace = await createNamespace('webhook-rollout');
    await runPod({ name: 'witness', namespace, tasks: reads });
  });

  it('does not fail during a rolling restart of the webhook', async () => {
    const stream = startCreationStream(namespace, reads);
    await runKubectl(cluster, ['rollout', 'restart', deployment, '-n', release.namespace]);
    await waitForRollout();
    await stream.more(20);
    const { created, failures } = await stream.stop();
    expect(failures).toEqual([]);
    expect(created).toBeGreaterThan(20);
  });

  it('does not fail during a rotation of the webhook CA, and old certificates stay trusted', async () => {
    const [before = ''] = await readCaBundles();
    const served = await readReplicaCertificates();
    const stream = startCreationStream(namespace, reads);
    const rotate = `valetkey.dev/rotate=${Date.now()}`;
    await runKubectl(cluster, [
      'annotate',
      'secret',
      'valetkey-webhook-ca',
      '-n',
      release.namespace,
      rotate,
      '--overwrite',
    ]);
    await waitFor(
      'the old and the new CA in both configurations',
      async () => {
        const bundles = await readCaBundles();
        return bundles.every(
          (bundle) =>
            splitCertificates(before).every((pem) => splitCertificates(bundle).includes(pem)) &&
            splitCertificates(bundle).length > splitCertificates(before).length,
        );
      },
      { timeoutMs: 90_000 },
    );
    await waitFor(
      'a new certificate on every replica',
      async () => {
        const now = await readReplicaCertificates();
        return now.length >= 2 && now.every((fingerprint) => !served.includes(fingerprint));
      },
      { timeoutMs: 120_000 },
    );
    await stream.more(20);
    const { failures } = await stream.stop();
    expect(failures).toEqual([]);
  });

  it('does not fail during a chart upgrade that changes the sidecar, and running pods stay valid', async () => {
    const stream = startCreationStream(namespace, reads);
    const values = buildChartValues(testContext);
    const changed = {
      ...values,
      sidecar: { ...values.sidecar, resources: { ...values.sidecar.resources, memory: '112Mi' } },
    };
    await installRelease(testContext, release, changed);
    const { failures } = await stream.stop();
    expect(failures).toEqual([]);

    await runKubectl(cluster, ['label', 'pod', 'witness', '-n', namespace, 'still=valid']);
    await expectRead({ namespace, pod: 'witness' });
    await runPod({ name: 'newcomer', namespace, tasks: reads });
    const { data } = await getJson<{ data: Record<string, string> }>(cluster, [
      'configmap',
      'valetkey-injection-templates',
      '-n',
      release.namespace,
    ]);
    expect(Object.keys(data).length).toBeGreaterThanOrEqual(2);
  });
});
