import { buckets, objects } from './cloud.ts';
import type { Cloud } from './cloud.ts';
import { sendAsAdmin } from './signed-request.ts';

/** Creates the buckets and objects of the tests. */
export async function seedCloud(cloud: Cloud): Promise<void> {
  await Promise.all(buckets.map((bucket) => createBucket(cloud, bucket)));
  await Promise.all(Object.entries(objects).map(([place, body]) => putObject(cloud, place, body)));
}

/** Creates a bucket, unless we already own it. */
export async function createBucket(cloud: Cloud, bucket: string): Promise<void> {
  await sendAsAdmin(cloud, { service: 's3', method: 'PUT', path: `/${bucket}` }, [409]);
}

/** Puts an object at `bucket/key`. */
export async function putObject(cloud: Cloud, place: string, body: string): Promise<void> {
  await sendAsAdmin(cloud, { service: 's3', method: 'PUT', path: `/${place}`, body });
}

/** Replaces the policy of a bucket. */
export async function putBucketPolicy(cloud: Cloud, bucket: string, policy: object): Promise<void> {
  const body = JSON.stringify(policy);
  await sendAsAdmin(cloud, { service: 's3', method: 'PUT', path: `/${bucket}?policy=`, body });
}
