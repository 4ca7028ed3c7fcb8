import { beforeAll, describe, expect, test } from '@jest/globals';
import { CLOUD_CASES, runCloudCases } from '../cases/cloud-cases.ts';
import type { CaseResult } from '../cases/cloud-cases.ts';
import { createLiveCaseCloud } from '../cases/live-case-cloud.ts';
import { cloud, testContext } from './test-context.ts';

const { node } = testContext;

// Varied tokens are signed with the cluster's own key, which a cloud that trusts the authority refuses.
if (node !== undefined) {
  describe(`the one table of cases, put to ${cloud.name}`, () => {
    let results: ReadonlyMap<string, CaseResult>;

    beforeAll(async () => {
      const list = await runCloudCases(await createLiveCaseCloud(cloud, node));
      results = new Map(list.map((result) => [result.name, result]));
    }, 120_000);

    test.each(CLOUD_CASES)('$name', ({ name }) => {
      expect(results.get(name)).toMatchObject({ passed: true });
    });
  });
}
