import { describe, expect, it } from '@jest/globals';
import { CASE_OBJECTS } from '../../cases/case-cloud.ts';
import { createLiveCaseCloud } from '../../cases/live-case-cloud.ts';
import { buildFrameworkPython, callGuideTool } from '../../clients/client-builds.ts';
import type { Conditions } from '../../clients/scenarios.ts';
import { createSidecarFixtures, findSidecarProgram } from '../../clients/sidecar-fixture.ts';
import { cloud, testContext } from '../test-context.ts';

const { node } = testContext;
if (node === undefined) throw new Error('expected a cluster on this machine: its keys sign tokens');
// Concurrent tests do not wait for beforeAll.
const caseCloud = await createLiveCaseCloud(cloud, node);
const createFixture = createSidecarFixtures({
  ...{ cloud: caseCloud, program: findSidecarProgram(), delivery: 'sign' },
});
const python = await buildFrameworkPython((line) => process.stdout.write(`${line}\n`));

/** What a model reads of a report, if the task allows to read reports, or only other objects. */
const readReport = async (
  framework: string,
  scope: NonNullable<Conditions['scope']>,
): Promise<string> => {
  const conditions = {
    lifetimeSeconds: 60,
    exchangeDelayMs: 0,
    exchange: 'grants',
    scope,
  } as const;
  const { env, stop } = await createFixture(conditions);
  try {
    return await callGuideTool(python, { framework, report: 'q3.csv', env });
  } finally {
    await stop();
  }
};

describe('the tool of a guide, called by its framework', () => {
  it.concurrent.each(['langchain', 'openai-agents', 'mcp-servers'])(
    'reads what the task allows, and shows the refusal of what it does not: %s',
    async (framework) => {
      expect(await readReport(framework, 'read')).toBe(CASE_OBJECTS['acme-data']['reports/q3.csv']);
      const refusal = await readReport(framework, 'work');
      expect(refusal).toContain('valetkey: s3:GetObject on arn:aws:s3:::acme-data/reports/q3.csv');
      expect(refusal).toContain('is outside task');
    },
    300_000,
  );
});
