import { createHash } from 'node:crypto';
import type { BucketPlan } from '../cloud-plan.ts';

export type StoredObject = {
  readonly content: Buffer;
  readonly etag: string;
  readonly contentType: string;
  readonly modifiedAt: number;
  /** Headers `x-amz-meta-*` of the request that wrote it. */
  readonly metadata: Readonly<Record<string, string>>;
};

export type Bucket = Map<string, StoredObject>;

export const createBuckets = (plan: BucketPlan, now: number): ReadonlyMap<string, Bucket> =>
  new Map(
    Object.entries(plan).map(([name, objects]) => [
      name,
      new Map(
        Object.entries(objects).map(([key, text]) => [
          key,
          createStoredObject(Buffer.from(text), 'text/plain', now),
        ]),
      ),
    ]),
  );

export const createStoredObject = (
  content: Buffer,
  contentType: string,
  now: number,
  metadata: StoredObject['metadata'] = {},
): StoredObject => ({
  content,
  etag: `"${createHash('md5').update(content).digest('hex')}"`,
  contentType,
  modifiedAt: now,
  metadata,
});
