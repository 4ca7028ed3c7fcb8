import { beforeAll, describe, expect, it } from '@jest/globals';
import { CLOUD_CASES, runCloudCases } from '../cases/cloud-cases.ts';
import type { CaseResult } from '../cases/cloud-cases.ts';
import { createLiveCaseCloud } from '../cases/live-case-cloud.ts';
import { readReports } from '../cases/case-builders.ts';
import { readKeys, requestSession } from '../cases/sts-request.ts';
import type { SessionRequest } from '../cases/sts-request.ts';
import { tryAccessKeyCreation } from '../../lib/edge/aws/access-key-check.ts';
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

  describe(`access keys of a session on ${cloud.name}`, () => {
    const tryWith = async (request: SessionRequest) => {
      const caseCloud = await createLiveCaseCloud(cloud, node);
      const keys = readKeys(await requestSession(caseCloud, request));
      const { s3Endpoint: endpoint, region, dialect } = cloud;
      const settings = { endpoint, region, dialect, allowHttp: true };
      const attempts = await tryAccessKeyCreation(settings, keys);
      console.log(
        cloud.name,
        request.policy === undefined ? 'whole role' : 'session policy',
        attempts,
      );
      return new Map(attempts.map(({ api, outcome }) => [api, outcome]));
    };

    it('cannot be created with a session policy that does not allow it', async () => {
      const policy = { Version: '2012-10-17', Statement: [readReports] };
      const outcomes = await tryWith({ policy });
      expect(outcomes.get('minio')).toBe(cloud.name === 'minio' ? 'denied' : 'absent');
      expect(['denied', 'absent']).toContain(outcomes.get('iam'));
    });

    const onMinio = cloud.name === 'minio' ? it : it.skip;
    onMinio('can be created without a session policy, so the check notices them', async () => {
      expect((await tryWith({})).get('minio')).toBe('created');
    });
  });
}
