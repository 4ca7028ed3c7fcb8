import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
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
import { readServedCertificates } from '../served-certificates.ts';
import { cloud, cluster, createNamespace, testContext } from '../test-context.ts';

const { node } = testContext;

const listLeaves = async (): Promise<string[]> => {
  const addresses = (await listReplicaPods()).flatMap(({ status }) => status.podIP ?? []);
  return readServedCertificates(addresses, 9445);
};

const hasMissingStart = ({ notes }: VerificationResult): string[] =>
  notes.filter(({ code }) => code === 'missing_start_allowed').map(({ text }) => text);

const deletePodsOfOtherTests = async (ours: string): Promise<void> => {
  const of = ['-l', 'e2e.valetkey.dev/test=true', '-o', 'jsonpath={.items[*].metadata.name}'];
  const { stdout } = await runKubectl(cluster, ['get', 'namespaces', ...of]);
  for (const namespace of stdout.split(' ').filter((name) => name !== '' && name !== ours))
    await runKubectl(cluster, ['delete', 'pods', '--all', '--wait=false', '-n', namespace]);
};

if (node === undefined) throw new Error('only a cluster of ours is turned upside down');

/** What does not hang on the cloud is told on one of them; all of it on both by `make e2e-full`. */
const verifiedResult = cloud.name === 'rgw' || testContext.isFull ? test : test.skip;

describe(`while runs start without pause (${cloud.name})`, () => {
  let namespace: string;
  let stream: ReturnType<typeof startRunStream>;
  let records: ReturnType<typeof holdRecordFiles>;
  let before: VerificationResult;
  let kids: string[];

  beforeAll(async () => {
    namespace = await createNamespace('turmoil');
    records = holdRecordFiles(node, testContext.entry);
    before = await verifyRecords(node, records.files);
    stream = startRunStream(namespace);
    await stream.start();
    await stream.more(2);
  });

  afterAll(() => {
    records.stop();
  });

  /** Every leaf is another than those of before: a CA that was turned signs all anew. */
  const turnAuthority = async (): Promise<void> => {
    const served = await listLeaves();
    await requestRotation('valetkey-authority-ca', 'valetkey.dev/rotate');
    await waitFor(
      'every replica to serve with another certificate',
      async () => (await listLeaves()).every((leaf) => !served.includes(leaf)),
      { timeoutMs: 170_000, intervalMs: 1_000 },
    );
  };

  verifiedResult('the CA of its certificates is replaced', async () => {
    await turnAuthority();
    await stream.more(2);
    // Pods hold the roots of their admission: until those of before are gone, the next root waits.
    await waitFor(
      'new pods to trust the next root',
      async () => (await readInjectedTrustBundle(namespace)) === (await readPublishedTrustBundle()),
    );
    await stream.replace();
    await deletePodsOfOtherTests(namespace);
  });

  test('a key of grants comes to its end, and the next one signs', async () => {
    kids = await readPublishedKids();
    await ageKeys();
    await stream.more(1);
  });

  verifiedResult('every replica is replaced, one after another', async () => {
    await restartReplicas();
    await stream.more(2);
  });

  verifiedResult('one replica is killed', async () => {
    const [replica] = await listReplicaPods();
    const [container] = replica?.status.containerStatuses ?? [];
    if (container === undefined) throw new Error('there is no replica to kill');
    await killContainer(node, container);
    await waitFor('its successor', async () => {
      const [successor] = await listReplicaPods();
      const restarts = successor?.status.containerStatuses?.[0]?.restartCount ?? 0;
      return restarts > container.restartCount && (await hasReadyReplicas(2));
    });
    await stream.more(2);
  });

  verifiedResult('the API server is restarted', async () => {
    const program = await restartProgram(node, 'kube-apiserver');
    await waitForApiServer(node, program);
    await waitFor('both replicas to be ready', () => hasReadyReplicas(2));
    await stream.more(2);
  });

  test('the next key signs by now', async () => {
    const next = kids[1];
    await waitFor(
      'it to be the first that is published',
      async () => {
        const [first] = await readPublishedKids();
        return first === next;
      },
      { timeoutMs: 120_000 },
    );
    await stream.more(2);
  });

  test('a key of grants is tainted', async () => {
    const [tainted] = await readPublishedKids();
    await requestRotation('valetkey-authority-keys', 'valetkey.dev/taint');
    await waitFor('it to be published no more', async () => {
      const published = await readPublishedKids();
      return !published.includes(tainted ?? '');
    });
    await stream.more(2);
  });

  verifiedResult('the CA is replaced again, once no pod depends on the first', async () => {
    await turnAuthority();
    await stream.more(2);
  });

  test('no answer was wrong, and each is on record', async () => {
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
    const value = `${right.length} runs, ${later.length} answers to ask again later`;
    recordMeasurement(testContext.folder, {
      entry: testContext.entry,
      name: 'while all was upside down',
      value,
    });
    const verdict = await verifyRecords(node, records.files);
    expect(verdict).toMatchObject({ isWhole: true, faults: [], heads: 2 });
    // What was not there to be verified before is all that is not there now.
    expect(hasMissingStart(verdict)).toEqual(hasMissingStart(before));
    const recorded = listRecordedRuns(records.files());
    expect(right.filter(({ run }) => !recorded.has(run ?? ''))).toEqual([]);
  });
});
