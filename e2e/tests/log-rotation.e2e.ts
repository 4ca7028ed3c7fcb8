import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../test/kit/retry.ts';
import { applyObjects, getJson, runKubectl, waitForPod } from '../cluster/kubectl.ts';
import { recordMeasurement } from '../measurements.ts';
import { cluster, createNamespace, testContext } from './test-context.ts';

const POD = 'writer';
/** Default of the kubelet's `containerLogMaxSize`. */
const MAX_FILE_BYTES = 10 * 1024 * 1024;
/** Each line has a number and is as long as a record. */
const LINE_BYTES = 1_024;
/** Two files' worth at once, then one line a second. */
const FIRST_LINES = Math.ceil((2 * MAX_FILE_BYTES) / LINE_BYTES);
const SCRIPT = `
line=$(head -c ${LINE_BYTES - 10} /dev/zero | tr '\\0' x)
i=0
while [ $i -lt ${FIRST_LINES} ]; do printf '%08d %s\\n' $i "$line"; i=$((i+1)); done
while true; do printf '%08d %s\\n' $i "$line"; i=$((i+1)); sleep 1; done`;

const buildWriter = (namespace: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: POD, namespace },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [
      {
        name: POD,
        image: 'localhost/busybox:1',
        imagePullPolicy: 'Never',
        command: ['sh', '-c', SCRIPT],
      },
    ],
  },
});

describe('the log of a pod that writes more than a file of the kubelet', () => {
  let namespace: string;
  let folder: string;

  beforeAll(async () => {
    const { node } = testContext;
    if (node === undefined) throw new Error('expected a cluster on this machine: it has the files');
    namespace = await createNamespace('log-rotation');
    await applyObjects(cluster, buildWriter(namespace));
    await waitForPod(cluster, { namespace, pod: POD });
    const { metadata } = await getJson<{ metadata: { uid: string } }>(cluster, [
      ...['pod', POD, '-n', namespace],
    ]);
    folder = join(node.podLogsFolder, `${namespace}_${POD}_${metadata.uid}`, POD);
  });

  const readLog = async (): Promise<readonly string[]> => {
    const { stdout } = await runKubectl(cluster, ['logs', POD, '-n', namespace]);
    return stdout.trimEnd().split('\n');
  };
  const readNumber = (line = ''): number => Number(/^\d{8}/.exec(line)?.[0]);

  it('is served from its current file only, which is what the console reads', async () => {
    const [first, last] = await waitFor('the kubelet to replace the file', async () => {
      const lines = await readLog();
      return readNumber(lines[0]) > 0 && [readNumber(lines[0]), readNumber(lines.at(-1))];
    });
    const files = readdirSync(folder);
    const current = statSync(join(folder, '0.log')).size;
    const kept = files.filter((file) => file !== '0.log');
    expect(kept.length).toBeGreaterThan(0);
    // The older lines are still on the node.
    expect(first).toBeGreaterThan(0);
    expect(last - first).toBeLessThan(FIRST_LINES);
    recordMeasurement(testContext.folder, {
      entry: testContext.entry,
      name: `of ${FIRST_LINES} KiB that a pod wrote at once, after the kubelet replaced its log`,
      value: `lines ${first} to ${last} are served, of a file of ${Math.round(current / 1024)} KiB; ${kept.length} older files are on the node`,
    });
  });
});
