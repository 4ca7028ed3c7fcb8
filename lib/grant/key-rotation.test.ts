import { describe, expect, it } from '@jest/globals';

import { listKids, createReplicas, findSigningKid, TAINT } from './fixtures/key-replicas.ts';
import type { PublishedKeys } from './key-rotation.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const maxAge = 5 * minute;
/** `exp` of a grant is 30 s after its signature, and IAM bears five minutes more. */
const expiredAfterMs = 30 * second + 5 * minute;

/** Numbers from 0 to 1 that are the same in each run of the test (mulberry32). */
const createRandom = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};

type Served = { readonly at: number; readonly kids: readonly string[] };
type Signed = { readonly at: number; readonly kid: string };

/** What a cloud could not verify: a grant with a copy of the JWKS that lacks its key. */
const findUnverifiable = (signed: readonly Signed[], served: readonly Served[]) =>
  signed.filter(({ at, kid }) =>
    served.some(
      (copy) =>
        copy.at >= at - maxAge && copy.at <= at + expiredAfterMs && !copy.kids.includes(kid),
    ),
  );

describe('rotation with racing replicas that sometimes lose the API server', () => {
  it.each([
    [30, 1],
    // Shorter than a key has to be published before it signs.
    [5, 2],
  ])(
    'signs only with keys that every cached JWKS contains and switches all replicas at once (key lifetime %i min, seed %i)',
    async (minutes, seed) => {
      const random = createRandom(seed);
      const { time, replicas, down } = createReplicas(3, { keyLifetimeMs: minutes * minute });
      const served: Served[] = [];
      const signed: Signed[] = [];
      const disagreements: number[] = [];
      const end = time.at + 2.5 * hour;
      for (; time.at < end; time.at += 15 * second) {
        for (const index of replicas.keys()) {
          if (random() < 0.02) down.add(index);
          if (random() < 0.1) down.delete(index);
        }
        const due = replicas.filter(() => random() < 0.9);
        await Promise.all(due.map(({ refresh }) => refresh().catch(() => undefined)));
        const firsts = new Set<string>();
        for (const keys of replicas) {
          const kids = listKids(keys);
          const kid = await findSigningKid(keys, time.at);
          if (kids.length > 0) served.push({ at: time.at, kids });
          if (kid !== undefined) signed.push({ at: time.at, kid });
          for (const each of [kid, kids[0]]) if (each !== undefined) firsts.add(each);
        }
        if (firsts.size > 1) disagreements.push(time.at);
      }
      expect(findUnverifiable(signed, served)).toEqual([]);
      expect(disagreements).toEqual([]);
      expect(new Set(signed.map(({ kid }) => kid)).size).toBeGreaterThan(3);
      expect(Math.max(...served.map(({ kids }) => kids.length))).toBeLessThanOrEqual(3);
    },
    60_000,
  );
});

/** A bucket that is written now and then, behind caches. */
const createBucketSetup = () => {
  const bucket = { copy: undefined as PublishedKeys | undefined };
  const stage = createReplicas(1, { keyLifetimeMs: hour, seenPublicly: () => bucket.copy });
  const { keys } = stage;
  const publish = () => {
    bucket.copy = { kids: listKids(keys), maxAgeMs: maxAge };
  };
  const pass = async (ms: number) => {
    stage.time.at += ms;
    return keys.refresh();
  };
  return { ...stage, bucket, publish, pass };
};

describe('rotation with documents in a bucket', () => {
  it('signs with the next key only after it was published for twice the max-age', async () => {
    const { keys, publish, pass, time } = createBucketSetup();
    await keys.refresh();
    const [current, next] = listKids(keys);
    publish();
    await pass(55 * minute);
    await pass(9 * minute);
    expect(await findSigningKid(keys, time.at)).toBe(current);
    await pass(minute);
    expect(await findSigningKid(keys, time.at)).toBe(current);
    await pass(minute);
    expect(await findSigningKid(keys, time.at)).toBe(next);
  });

  it('blocks rotation and reports it while the next key is not published', async () => {
    const { keys, publish, pass, time } = createBucketSetup();
    await keys.refresh();
    const [current] = listKids(keys);
    expect((await pass(minute)).problems).toEqual(['published_keys_unreadable']);
    publish();
    expect((await pass(minute)).problems).toEqual([]);
    for (let step = 0; step < 3; step += 1) await pass(30 * minute);
    // The bucket is unchanged, so the key after the next is not published.
    const { problems } = await pass(48 * hour);
    expect(problems).toEqual(['rotation_blocked']);
    expect(await findSigningKid(keys, time.at)).not.toBe(current);
    const waiting = await findSigningKid(keys, time.at);
    await pass(hour);
    expect(await findSigningKid(keys, time.at)).toBe(waiting);
  });

  it('restarts the wait when a published key disappears', async () => {
    const { keys, publish, pass, bucket, time, reported } = createBucketSetup();
    await keys.refresh();
    const [current] = listKids(keys);
    publish();
    const published = bucket.copy;
    await pass(59 * minute);
    bucket.copy = { kids: listKids(keys).slice(0, 1), maxAgeMs: maxAge };
    await pass(minute);
    bucket.copy = published;
    await pass(minute);
    await pass(9 * minute);
    await pass(minute / 2);
    expect(reported.map(({ step }) => step)).toEqual([
      'create',
      'published',
      'unpublished',
      'published',
    ]);
    expect(await findSigningKid(keys, time.at)).toBe(current);
  });

  it('keeps the state while the published keys are unreadable', async () => {
    const { keys, publish, pass, bucket, reported } = createBucketSetup();
    await keys.refresh();
    publish();
    await pass(minute);
    bucket.copy = undefined;
    expect((await pass(2 * hour)).problems).toEqual([
      'rotation_blocked',
      'published_keys_unreadable',
    ]);
    publish();
    await pass(minute);
    expect(reported.map(({ step }) => step)).toEqual(['create', 'published', 'schedule']);
  });

  it('reports published_keys_stale until the tainted key is unpublished', async () => {
    const { keys, publish, pass, cluster } = createBucketSetup();
    await keys.refresh();
    publish();
    await pass(minute);
    cluster.annotate(TAINT, 'monday');
    expect((await pass(minute)).problems).toEqual(['published_keys_stale']);
    publish();
    expect((await pass(minute)).problems).toEqual([]);
  });

  it('reports published_keys_stale until the new key is published', async () => {
    const { keys, publish, pass, cluster, bucket } = createBucketSetup();
    await keys.refresh();
    publish();
    await pass(minute);
    cluster.annotate(TAINT, 'all');
    await pass(minute);
    bucket.copy = { kids: [], maxAgeMs: maxAge };
    expect((await pass(minute)).problems).toEqual(['published_keys_stale']);
    publish();
    expect((await pass(minute)).problems).toEqual([]);
  });
});
