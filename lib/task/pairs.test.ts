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
  it('pairs each action with each resource of its statement, also if it cannot take it', async () => {
    const actions = ['s3:GetObject', 's3:ListBucket'];
    const pairs = await expandToText({ actions, resources: [BUCKET, `${BUCKET}/{customer}/*`] });
    expect(pairs).toEqual([
      `s3:GetObject ${BUCKET}`,
      `s3:ListBucket ${BUCKET}`,
      `s3:GetObject ${BUCKET}/{customer}/*`,
      `s3:ListBucket ${BUCKET}/{customer}/*`,
    ]);
  });

  it('returns each pair once, even if it is declared several times', async () => {
    const statement = { actions: ['s3:GetObject', 's3:GetObject'], resources: [`${BUCKET}/*`] };
    expect(await expandToText(statement, statement)).toEqual([`s3:GetObject ${BUCKET}/*`]);
  });

  it('pairs actions that take only the resource * with it', async () => {
    const statement = { actions: ['s3:ListAllMyBuckets'], resources: ['*'] };
    expect(await expandToText(statement)).toEqual(['s3:ListAllMyBuckets *']);
  });

  it.each([
    ['of an unknown service', 'nothere:Get'],
    ['that does not exist', 's3:GetObjekt'],
    ['without a service', 'GetObject'],
    ['that is a short form, which is no pair but any number of them', 's3:Get*'],
  ])('returns an error for an action %s', async (_, stranger) => {
    const statement = { actions: ['s3:GetObject', stranger], resources: [`${BUCKET}/*`] };
    expect(await expandToText(statement)).toEqual([`allow[0].actions[1]: "${stranger}"`]);
  });

  it('returns an error for more than 256 pairs', async () => {
    const resources = Array.from({ length: 257 }, (_, index) => `${BUCKET}/${index}/*`);
    const statement = { actions: ['s3:GetObject'], resources };
    expect(await expandToText(statement)).toEqual(['allow: 257']);
    expect(await expandToText({ ...statement, resources: resources.slice(1) })).toHaveLength(256);
  });
});
