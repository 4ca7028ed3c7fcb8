import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { restartProgram } from '../../cluster/processes.ts';
import { waitForApiServer } from '../../cluster/control-plane.ts';
import { kubectl, waitFor } from '../../cluster/kubectl.ts';
import {
  ageKeys,
  injectedRoots,
  publishedKids,
  publishedRoots,
  requestTurn,
} from '../authority/keys.ts';
import { keepRecordFiles, verifyRecords } from '../authority/record-files.ts';
import type { Verdict } from '../authority/record-files.ts';
import { areReady, replicaPods, restartReplicas } from '../authority/replicas.ts';
import { openRunStream, runsOnRecord } from '../authority/run-stream.ts';
import { killContainer } from '../node.ts';
import { noteFigure } from '../../figures.ts';
import { servedCertificates } from '../served-certificates.ts';
import { cloud, cluster, createNamespace, stage } from '../stage.ts';

const { node } = stage;

const leaves = async (): Promise<string[]> => {
  const addresses = (await replicaPods()).flatMap(({ status }) => status.podIP ?? []);
  return servedCertificates(addresses, 9445);
};

const partial = ({ notes }: Verdict): string[] =>
  notes.filter(({ code }) => code === 'partial').map(({ text }) => text);

const removePodsOfOtherStories = async (ours: string): Promise<void> => {
  const of = ['-l', 'e2e.valetkey.dev/story=true', '-o', 'jsonpath={.items[*].metadata.name}'];
  const { stdout } = await kubectl(cluster, ['get', 'namespaces', ...of]);
  for (const namespace of stdout.split(' ').filter((name) => name !== '' && name !== ours))
    await kubectl(cluster, ['delete', 'pods', '--all', '--wait=false', '-n', namespace]);
};

if (node === undefined) throw new Error('only a cluster of ours is turned upside down');

/** What does not hang on the cloud is told on one of them; all of it on both by `make e2e-full`. */
const whole = cloud.name === 'rgw' || stage.isFull ? test : test.skip;

describe(`while runs start without pause (${cloud.name})`, () => {
  let namespace: string;
  let stream: ReturnType<typeof openRunStream>;
  let records: ReturnType<typeof keepRecordFiles>;
  let before: Verdict;
  let kids: string[];

  beforeAll(async () => {
    namespace = await createNamespace('turmoil');
    records = keepRecordFiles(node, stage.pass);
    before = await verifyRecords(node, records.files);
    stream = openRunStream(namespace);
    await stream.start();
    await stream.more(2);
  });

  afterAll(() => {
    records.stop();
  });

  /** Every leaf is another than those of before: a CA that was turned signs all anew. */
  const turnAuthority = async (): Promise<void> => {
    const served = await leaves();
    await requestTurn('valetkey-authority-ca', 'valetkey.dev/rotate');
    await waitFor(
      'every replica to serve with another certificate',
      async () => (await leaves()).every((leaf) => !served.includes(leaf)),
      { timeoutMs: 170_000, intervalMs: 1_000 },
    );
  };

  whole('the CA of its certificates is replaced', async () => {
    await turnAuthority();
    await stream.more(2);
    // Pods hold the roots of their admission: until those of before are gone, the next root waits.
    await waitFor(
      'new pods to trust the next root',
      async () => (await injectedRoots(namespace)) === (await publishedRoots()),
    );
    await stream.replace();
    await removePodsOfOtherStories(namespace);
  });

  test('a key of grants comes to its end, and the next one signs', async () => {
    kids = await publishedKids();
    await ageKeys();
    await stream.more(1);
  });

  whole('every replica is replaced, one after another', async () => {
    await restartReplicas();
    await stream.more(2);
  });

  whole('one replica is killed', async () => {
    const [replica] = await replicaPods();
    const [container] = replica?.status.containerStatuses ?? [];
    if (container === undefined) throw new Error('there is no replica to kill');
    await killContainer(node, container);
    await waitFor('its successor', async () => {
      const [successor] = await replicaPods();
      const restarts = successor?.status.containerStatuses?.[0]?.restartCount ?? 0;
      return restarts > container.restartCount && (await areReady(2));
    });
    await stream.more(2);
  });

  whole('the API server is restarted', async () => {
    const program = await restartProgram(node, 'kube-apiserver');
    await waitForApiServer(node, program);
    await waitFor('both replicas to be ready', () => areReady(2));
    await stream.more(2);
  });

  test('the next key signs by now', async () => {
    const next = kids[1];
    await waitFor(
      'it to be the first that is published',
      async () => {
        const [first] = await publishedKids();
        return first === next;
      },
      { timeoutMs: 120_000 },
    );
    await stream.more(2);
  });

  test('a key of grants is tainted', async () => {
    const [tainted] = await publishedKids();
    await requestTurn('valetkey-authority-keys', 'valetkey.dev/taint');
    await waitFor('it to be published no more', async () => {
      const published = await publishedKids();
      return !published.includes(tainted ?? '');
    });
    await stream.more(2);
  });

  whole('the CA is replaced again, once no pod depends on the first', async () => {
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
        (status === 503 || code === 'too_many_starts') && Number(retryAfter) > 0,
    );
    expect(answers.filter((answer) => !right.includes(answer) && !later.includes(answer))).toEqual(
      [],
    );
    expect(right.length).toBeGreaterThan(10);
    const value = `${right.length} runs, ${later.length} answers to ask again later`;
    noteFigure(stage.folder, { pass: stage.pass, name: 'while all was upside down', value });
    const verdict = await verifyRecords(node, records.files);
    expect(verdict).toMatchObject({ isWhole: true, faults: [], heads: 2 });
    // What was not there to be verified before is all that is not there now.
    expect(partial(verdict)).toEqual(partial(before));
    const recorded = runsOnRecord(records.files());
    expect(right.filter(({ run }) => !recorded.has(run ?? ''))).toEqual([]);
  });
});
