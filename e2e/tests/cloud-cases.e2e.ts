import { beforeAll, describe, expect, it } from '@jest/globals';
import { CLOUD_CASES, runCloudCases } from '../cases/cloud-cases.ts';
import type { CaseResult } from '../cases/cloud-cases.ts';
import { createLiveCaseCloud } from '../cases/live-case-cloud.ts';
import { cloud, testContext } from './test-context.ts';

const { node } = testContext;

// Varied tokens are signed with the cluster's key.
if (node !== undefined) {
  describe(`the table of cloud cases on ${cloud.name}`, () => {
    let results: ReadonlyMap<string, CaseResult>;

    beforeAll(async () => {
      const list = await runCloudCases(await createLiveCaseCloud(cloud, node));
      results = new Map(list.map((result) => [result.name, result]));
    }, 120_000);

    it.each(CLOUD_CASES)('$name', ({ name }) => {
      expect(results.get(name)).toMatchObject({ passed: true });
    });
  });
}
