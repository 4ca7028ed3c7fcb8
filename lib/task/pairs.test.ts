import { describe, expect, test } from '@jest/globals';
import { createCatalogLoader } from '../catalog/catalog.ts';
import type { TaskStatement } from '../contract/task.ts';
import { expandPairs } from './pairs.ts';

const loadCatalog = createCatalogLoader();
const BUCKET = 'arn:aws:s3:::acme-data';

const expandToText = async (...allow: readonly TaskStatement[]): Promise<readonly string[]> => {
  const pairs = await expandPairs({ allow }, loadCatalog);
  return pairs.ok
    ? pairs.value.map(({ action, resource }) => `${action.name} ${resource}`)
    : pairs.faults.map(({ path, got }) => `${path}: ${got}`);
};

describe('the pairs of a task', () => {
  test('are each concrete action with each resource that it can meet', async () => {
    const actions = ['s3:GetObject', 's3:ListBucket'];
    const pairs = await expandToText({ actions, resources: [BUCKET, `${BUCKET}/{customer}/*`] });
    expect(pairs).toEqual([`s3:ListBucket ${BUCKET}`, `s3:GetObject ${BUCKET}/{customer}/*`]);
  });

  test('hold what a wildcard stands for, in its proper case', async () => {
    const pairs = await expandToText({ actions: ['s3:getobjectt*'], resources: [`${BUCKET}/*`] });
    expect(pairs).toEqual([`s3:GetObjectTagging ${BUCKET}/*`, `s3:GetObjectTorrent ${BUCKET}/*`]);
  });

  test('are each named once, however often they are declared', async () => {
    const statement = { actions: ['s3:GetObject', 's3:GetObject*'], resources: [`${BUCKET}/*`] };
    const pairs = await expandToText(statement, statement);
    expect(new Set(pairs).size).toBe(pairs.length);
    expect(pairs).toContain(`s3:GetObject ${BUCKET}/*`);
  });

  test('hold the resource * of actions that nothing narrows', async () => {
    const statement = { actions: ['s3:ListAllMyBuckets'], resources: ['*'] };
    expect(await expandToText(statement)).toEqual(['s3:ListAllMyBuckets *']);
  });

  test.each([
    ['of a service that is not known', 'nothere:Get'],
    ['that is not known', 's3:GetObjekt'],
    ['of no service', 'GetObject'],
    ['of a wildcard that stands for nothing', 's3:Gett*'],
  ])('are none at all where an action %s is among them', async (_, stranger) => {
    const statement = { actions: ['s3:GetObject', stranger], resources: [`${BUCKET}/*`] };
    expect(await expandToText(statement)).toEqual([`allow[0].actions[1]: "${stranger}"`]);
  });

  test('are refused where none can meet', async () => {
    expect(await expandToText({ actions: ['s3:GetObject'], resources: [BUCKET] })).toEqual([
      'allow: 0',
    ]);
  });

  test('are refused where there are more than 256', async () => {
    const resources = Array.from({ length: 257 }, (_, index) => `${BUCKET}/${index}/*`);
    const statement = { actions: ['s3:GetObject'], resources };
    expect(await expandToText(statement)).toEqual(['allow: 257']);
    expect(await expandToText({ ...statement, resources: resources.slice(1) })).toHaveLength(256);
  });
});
