import { describe, expect, it } from '@jest/globals';
import { createCatalogLoader } from '../catalog/catalog.ts';
import type { TaskStatement } from '../contract/task.ts';
import { expandPairs } from './pairs.ts';
import { listReachedPairs } from './reached-pairs.ts';

const loadCatalog = createCatalogLoader();

const listReached = async (...allow: readonly TaskStatement[]): Promise<readonly string[]> => {
  const pairs = await expandPairs({ allow }, loadCatalog);
  const reached = listReachedPairs(pairs.ok ? pairs.value : [], await loadCatalog(['s3']));
  return reached.map(({ action, resource }) => `${action.name} ${resource}`);
};

const KEY = 'arn:aws:s3:::acme-data/reports/{customer}';
const PREFIX = 'arn:aws:s3:::acme-data/reports/*';
const BUCKET = 'arn:aws:s3:::acme-data';

describe('listReachedPairs', () => {
  it('lists what is below a key that may be deleted, and all versions', async () => {
    expect(await listReached({ actions: ['s3:DeleteObject'], resources: [KEY] })).toEqual([
      `s3:DeleteObject ${KEY}/*`,
      `s3:DeleteObjectVersion ${KEY}`,
      `s3:DeleteObjectVersion ${KEY}/*`,
    ]);
  });

  it('lists only versions for a resource that ends with *, which covers what is below it', async () => {
    expect(await listReached({ actions: ['s3:DeleteObject'], resources: [PREFIX] })).toEqual([
      `s3:DeleteObjectVersion ${PREFIX}`,
    ]);
  });

  it('lists the versions of a bucket that may be listed', async () => {
    expect(await listReached({ actions: ['s3:ListBucket'], resources: [BUCKET] })).toEqual([
      `s3:ListBucketVersions ${BUCKET}`,
    ]);
  });

  it('lists the access control list of a bucket whose policy may be changed', async () => {
    expect(await listReached({ actions: ['s3:PutBucketPolicy'], resources: [BUCKET] })).toEqual([
      `s3:PutBucketAcl ${BUCKET}`,
    ]);
  });

  it('lists no pair that the task contains', async () => {
    const actions = ['s3:DeleteObject', 's3:DeleteObjectVersion'];
    expect(await listReached({ actions, resources: [PREFIX] })).toEqual([]);
  });

  it('lists nothing for actions that MinIO limits to their pairs', async () => {
    const actions = ['s3:DeleteObjectVersion', 's3:PutObject', 's3:DeleteBucket'];
    expect(await listReached({ actions, resources: [KEY] })).toEqual([]);
  });
});
