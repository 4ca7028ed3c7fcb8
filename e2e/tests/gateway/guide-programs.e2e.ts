import { describe, expect, it } from '@jest/globals';
import { createLiveCaseCloud } from '../../cases/live-case-cloud.ts';
import { buildGuidePrograms, runGuideProgram } from '../../clients/guide-programs.ts';
import { createSidecarFixtures, findSidecarProgram } from '../../clients/sidecar-fixture.ts';
import { putObject } from '../../clouds/seed-data.ts';
import { cloud, testContext } from '../test-context.ts';

const { node } = testContext;
if (node === undefined) throw new Error('expected a cluster on this machine: its keys sign tokens');
// Concurrent tests do not wait for beforeAll.
const caseCloud = await createLiveCaseCloud(cloud, node);
const programs = await buildGuidePrograms((line) => process.stdout.write(`${line}\n`));
await putObject(cloud, 'acme-data/reports/today.csv', 'today\n');
await putObject(cloud, 'acme-data/customers/initech/orders.csv', 'orders\n');
const createFixture = createSidecarFixtures({
  ...{ cloud: caseCloud, program: findSidecarProgram(), delivery: 'sign' },
});
const conditions = { lifetimeSeconds: 300, exchangeDelayMs: 0, exchange: 'grants' } as const;

/** What a program prints for a run with params: the object that it read, or the keys of the run. */
const readOutput = (output: string): string => {
  if (!output.startsWith('{')) return output.trim();
  const { credentials } = JSON.parse(output) as { credentials: { AccessKeyId: string } };
  return credentials.AccessKeyId === '' ? 'no keys' : 'keys';
};

describe('the programs of docs/guides about languages', () => {
  it.concurrent.each(['javascript', 'python', 'go', 'java'] as const)(
    'read with the default task, and start a run with params: %s',
    async (language) => {
      const { env, stop } = await createFixture({ ...conditions, scope: 'guide' });
      try {
        const { read, startRun } = programs[language];
        expect((await runGuideProgram(read, env)).trim()).toBe('today');
        const isComplete = language === 'javascript' || language === 'python';
        expect(readOutput(await runGuideProgram(startRun, env))).toBe(
          isComplete ? 'orders' : 'keys',
        );
      } finally {
        await stop();
      }
    },
    300_000,
  );

  it('fail if their task does not allow the object', async () => {
    const { env, stop } = await createFixture({ ...conditions, scope: 'work' });
    try {
      await expect(runGuideProgram(programs.javascript.read, env)).rejects.toThrow('AccessDenied');
    } finally {
      await stop();
    }
  }, 300_000);
});
