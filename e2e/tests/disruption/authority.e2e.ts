import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { restartProgram } from '../../cluster/processes.ts';
import { waitForApiServer } from '../../cluster/control-plane.ts';
import { runKubectl } from '../../cluster/kubectl.ts';
import {
  ageKeys,
  readInjectedTrustBundle,
  readPublishedKids,
  readPublishedTrustBundle,
  requestRotation,
} from '../authority/key-rotation.ts';
import { holdRecordFiles, verifyRecords } from '../authority/record-files.ts';
import type { VerificationResult } from '../authority/record-files.ts';
import {
  hasReadyReplicas,
  listReplicaPods,
  restartReplicas,
} from '../authority/authority-replicas.ts';
import { startRunStream, listRecordedRuns } from '../authority/run-stream.ts';
import { killContainer } from '../node-access.ts';
import { recordMeasurement } from '../../measurements.ts';
import { TEST_SELECTOR } from '../../test-namespaces.ts';
import { readServedCertificates } from '../served-certificates.ts';
import { cloud, cluster, createNamespace, testContext } from '../test-context.ts';

const { node } = testContext;

const listLeaves = async (): Promise<string[]> => {
  const addresses = (await listReplicaPods()).flatMap(({ status }) => status.podIP ?? []);
  return readServedCertificates(addresses, 9445);
};

const hasMissingStart = ({ notes }: VerificationResult): string[] =>
  notes.filter(({ code }) => code === 'missing_start_allowed').map(({ text }) => text);

const deletePodsOfOtherTests = async (own: string): Promise<void> => {
  const selector = ['-l', TEST_SELECTOR, '-o', 'jsonpath={.items[*].metadata.name}'];
  const { stdout } = await runKubectl(cluster, ['get', 'namespaces', ...selector]);
  for (const namespace of stdout.split(' ').filter((name) => name !== '' && name !== own))
    await runKubectl(cluster, ['delete', 'pods', '--all', '--wait=false', '-n', namespace]);
};

if (node === undefined)
  throw new Error('expected a cluster on this machine: its processes are killed');

/** Steps that do not depend on the cloud run on RGW only; with `--full` on both clouds. */
const itOnOneCloud = cloud.name === 'rgw' || testContext.isFull ? it : it.skip;

describe(`continuous runs (${cloud.name})`, () => {
  let namespace: string;
  let stream: ReturnType<typeof startRunStream>;
  let records: ReturnType<typeof holdRecordFiles>;
  let before: VerificationResult;
  let kids: string[];

  beforeAll(async () => {
    namespace = await createNamespace('continuous-runs');
    records = holdRecordFiles(node, testContext.entry);
    before = await verifyRecords(node, records.files);
    stream = startRunStream(namespace);
    await stream.start();
    await stream.more(2);
  });

  afterAll(() => {
    records.stop();
  });

  /** Rotates the CA, and waits until every replica serves a new leaf certificate. */
  const rotateCertificateAuthority = async (): Promise<void> => {
    const served = await listLeaves();
    await requestRotation('valetkey-authority-ca', 'valetkey.dev/rotate');
    await waitFor(
      'a new certificate on every replica',
      async () => (await listLeaves()).every((leaf) => !served.includes(leaf)),
      { timeoutMs: 360_000, intervalMs: 1_000 },
    );
  };

  itOnOneCloud('do not fail while the CA is rotated', async () => {
    await rotateCertificateAuthority();
    await stream.more(2);
    // Pods have the trust bundle of their admission: the next CA waits until old pods are deleted.
    await waitFor(
      'new pods that trust the next CA',
      async () => (await readInjectedTrustBundle(namespace)) === (await readPublishedTrustBundle()),
    );
    await stream.replace();
    await deletePodsOfOtherTests(namespace);
  });

  it('do not fail when the grant signing key reaches its end of life', async () => {
    kids = await readPublishedKids();
    await ageKeys();
    await stream.more(1);
  });

  itOnOneCloud('do not fail during a rolling restart of the authority', async () => {
    await restartReplicas();
    await stream.more(2);
  });

  itOnOneCloud('do not fail when one replica is killed', async () => {
    const [replica] = await listReplicaPods();
    const [container] = replica?.status.containerStatuses ?? [];
    if (container === undefined) throw new Error('expected a replica with a container, found none');
    await killContainer(node, container);
    await waitFor('the restarted replica', async () => {
      const [successor] = await listReplicaPods();
      const restarts = successor?.status.containerStatuses?.[0]?.restartCount ?? 0;
      return restarts > container.restartCount && (await hasReadyReplicas(2));
    });
    await stream.more(2);
  });

  itOnOneCloud('do not fail when the API server restarts', async () => {
    const program = await restartProgram(node, 'kube-apiserver');
    await waitForApiServer(node, program);
    await waitFor('two ready replicas', () => hasReadyReplicas(2));
    await stream.more(2);
  });

  it('do not fail when the next key signs', async () => {
    const next = kids[1];
    await waitFor(
      'the next key to be published first',
      async () => {
        const [first] = await readPublishedKids();
        return first === next;
      },
      { timeoutMs: 120_000 },
    );
    await stream.more(2);
  });

  it('do not fail when the grant signing key is tainted', async () => {
    const [tainted] = await readPublishedKids();
    await requestRotation('valetkey-authority-keys', 'valetkey.dev/taint');
    await waitFor('removal of the tainted key from the published keys', async () => {
      const published = await readPublishedKids();
      return !published.includes(tainted ?? '');
    });
    await stream.more(2);
  });

  itOnOneCloud('do not fail while the CA is rotated again', async () => {
    await rotateCertificateAuthority();
    await stream.more(2);
  });

  it('get only correct responses, and each issued run has its records', async () => {
    const answers = await stream.end();
    const right = answers.filter(
      ({ status, cloud: used, ended }) => status === 201 && used === 200 && ended === 204,
    );
    const later = answers.filter(
      ({ status, code, retryAfter }) =>
        (status === 503 || code === 'start_rate_exceeded') && Number(retryAfter) > 0,
    );
    expect(answers.filter((answer) => !right.includes(answer) && !later.includes(answer))).toEqual(
      [],
    );
    expect(right.length).toBeGreaterThan(10);
    const value = `${right.length} runs, ${later.length} responses with Retry-After`;
    recordMeasurement(testContext.folder, {
      entry: testContext.entry,
      name: 'during the disruption of the authority',
      value,
    });
    const result = await verifyRecords(node, records.files);
    expect(result).toMatchObject({ isWhole: true, faults: [], heads: 2 });
    // No start is missing that was not missing before.
    expect(hasMissingStart(result)).toEqual(hasMissingStart(before));
    const recorded = listRecordedRuns(records.files());
    expect(right.filter(({ run }) => !recorded.has(run ?? ''))).toEqual([]);
  });
});
