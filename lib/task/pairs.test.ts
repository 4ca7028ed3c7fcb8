import { describe, expect, it } from '@jest/globals';
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

describe('expandPairs', () => {
  it('pairs each concrete action with each resource that it can take', async () => {
    const actions = ['s3:GetObject', 's3:ListBucket'];
    const pairs = await expandToText({ actions, resources: [BUCKET, `${BUCKET}/{customer}/*`] });
    expect(pairs).toEqual([`s3:ListBucket ${BUCKET}`, `s3:GetObject ${BUCKET}/{customer}/*`]);
  });

  it('expands wildcards to actions in canonical case', async () => {
    const pairs = await expandToText({ actions: ['s3:getobjectt*'], resources: [`${BUCKET}/*`] });
    expect(pairs).toEqual([`s3:GetObjectTagging ${BUCKET}/*`, `s3:GetObjectTorrent ${BUCKET}/*`]);
  });

  it('returns each pair once, even if it is declared several times', async () => {
    const statement = { actions: ['s3:GetObject', 's3:GetObject*'], resources: [`${BUCKET}/*`] };
    const pairs = await expandToText(statement, statement);
    expect(new Set(pairs).size).toBe(pairs.length);
    expect(pairs).toContain(`s3:GetObject ${BUCKET}/*`);
  });

  it('pairs actions that take only the resource * with it', async () => {
    const statement = { actions: ['s3:ListAllMyBuckets'], resources: ['*'] };
    expect(await expandToText(statement)).toEqual(['s3:ListAllMyBuckets *']);
  });

  it.each([
    ['of an unknown service', 'nothere:Get'],
    ['that does not exist', 's3:GetObjekt'],
    ['without a service', 'GetObject'],
    ['whose wildcard matches nothing', 's3:Gett*'],
  ])('returns an error for an action %s', async (_, stranger) => {
    const statement = { actions: ['s3:GetObject', stranger], resources: [`${BUCKET}/*`] };
    expect(await expandToText(statement)).toEqual([`allow[0].actions[1]: "${stranger}"`]);
  });

  it('returns an error if no action takes any of the resources', async () => {
    expect(await expandToText({ actions: ['s3:GetObject'], resources: [BUCKET] })).toEqual([
      'allow: 0',
    ]);
  });

  it('returns an error for more than 256 pairs', async () => {
    const resources = Array.from({ length: 257 }, (_, index) => `${BUCKET}/${index}/*`);
    const statement = { actions: ['s3:GetObject'], resources };
    expect(await expandToText(statement)).toEqual(['allow: 257']);
    expect(await expandToText({ ...statement, resources: resources.slice(1) })).toHaveLength(256);
  });
});
