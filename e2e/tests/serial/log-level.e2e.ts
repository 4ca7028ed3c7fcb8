import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { waitFor } from '../../../test/kit/retry.ts';
import { getJson, readLogs, runKubectl } from '../../cluster/kubectl.ts';
import { readGuideBlocks } from '../guide/guide-blocks.ts';
import { createGuideShell } from '../guide/guide-shell.ts';
import type { ContainerStatus } from '../node-access.ts';
import {
  cloud,
  cluster,
  createNamespace,
  readReports,
  runPod,
  testContext,
} from '../test-context.ts';

const { namespace: home } = testContext.release;
/** docs/logs.md promises two minutes; the machine may be busy. */
const FOLLOWING = { timeoutMs: 180_000, intervalMs: 1_000 };

type ReplicaPod = {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly status: { readonly containerStatuses: readonly ContainerStatus[] };
};
type LogLine = {
  readonly level: string;
  readonly message: string;
  readonly [key: string]: unknown;
};

const listReplicas = async (component: string): Promise<readonly ReplicaPod[]> => {
  const where = ['pods', '-n', home, '-l', `app.kubernetes.io/component=${component}`];
  return (await getJson<{ items: readonly ReplicaPod[] }>(cluster, where)).items;
};

const readReplicas = async () =>
  [...(await listReplicas('webhook')), ...(await listReplicas('authority'))].map(
    ({ metadata: { name, uid }, status }) => ({
      ...{ name, uid },
      restarts: status.containerStatuses.map(({ restartCount }) => restartCount),
    }),
  );

const readLines = async (pod: string, since: string): Promise<readonly LogLine[]> => {
  const text = await readLogs(cluster, { namespace: home, pod }, [`--since-time=${since}`]);
  const lines = text.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line) as LogLine);
};

/** The command of docs/logs.md for one program, whose example is the webhook. */
const readCommand = (program: string, level: string): string => {
  const block = readGuideBlocks('docs/logs.md').find(({ text }) => text.includes('.log-level'));
  const line = block?.text.split('\n').find((each) => each.startsWith('kubectl patch'));
  if (line?.includes('"webhook.log-level":"debug"') !== true)
    throw new Error(`docs/logs.md: expected a patch of webhook.log-level, got ${line ?? 'none'}`);
  return line.replace('webhook.log-level":"debug"', `${program}.log-level":"${level}"`);
};

describe(`the level of logs (${cloud.name})`, () => {
  const run = createGuideShell(mkdtempSync(join(testContext.folder, 'log-level-')), {
    programs: { kubectl: cluster.kubectlProgram },
    env: { KUBECONFIG: cluster.kubeconfig },
  });
  let namespace: string;
  let since: string;
  let before: Awaited<ReturnType<typeof readReplicas>>;

  const setLevels = async (level: string): Promise<void> => {
    for (const program of ['webhook', 'authority']) await run(readCommand(program, level));
  };

  beforeAll(async () => {
    namespace = await createNamespace('log-level');
    since = new Date().toISOString();
    before = await readReplicas();
    await runPod({ name: 'witness', namespace, tasks: { read: readReports } });
  });

  afterAll(() => setLevels('info'));

  const waitForLevel = (change: { from: string; to: string }) =>
    waitFor(
      `every replica to change its level to ${change.to}`,
      async () => {
        const lines = await Promise.all(before.map(({ name }) => readLines(name, since)));
        return lines.every((each) =>
          each.some(
            ({ message, from, to }) =>
              message === 'log level changed' && from === change.from && to === change.to,
          ),
        );
      },
      FOLLOWING,
    );

  let changes = 0;
  /** A change of a pod, which the webhook allows unchanged; returns its lines of level debug. */
  const changePod = async (): Promise<readonly LogLine[]> => {
    changes += 1;
    const label = `change=${changes}`;
    await runKubectl(cluster, ['label', 'pod', 'witness', '-n', namespace, label, '--overwrite']);
    const webhooks = await listReplicas('webhook');
    const lines = await Promise.all(
      webhooks.map(({ metadata }) => readLines(metadata.name, since)),
    );
    return lines.flat().filter((line) => line.level === 'debug' && line['name'] === 'witness');
  };

  it('changes by the documented command, and lines of level debug appear', async () => {
    expect(await changePod()).toEqual([]);
    await setLevels('debug');
    await waitForLevel({ from: 'info', to: 'debug' });
    const [line] = await waitFor('a line of level debug', async () => {
      const lines = await changePod();
      return lines.length > 0 && lines;
    });
    expect(line).toMatchObject({ message: 'admission answered', outcome: 'allowed', namespace });
  });

  it('changes back', async () => {
    await setLevels('info');
    await waitForLevel({ from: 'debug', to: 'info' });
  });

  it('changes without a restart: pods and their restarts are as before', async () => {
    expect(before.length).toBeGreaterThan(3);
    expect(await readReplicas()).toEqual(before);
  });
});
