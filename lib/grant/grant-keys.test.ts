import { describe, expect, test } from '@jest/globals';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';

import {
  buildClaims,
  listKids,
  createReplicas,
  findSigningKid,
  TAINT,
} from './fixtures/key-replicas.ts';

const minute = 60_000;
const day = 86_400_000;

describe('the first round', () => {
  test('of five replicas at once makes one Secret, and all sign by the first of two published keys', async () => {
    const { replicas, cluster, time } = createReplicas(5);
    await Promise.all(replicas.map(({ refresh }) => refresh()));
    expect(cluster.writes().created).toBe(1);
    const [first] = replicas.map(listKids);
    for (const keys of replicas) {
      expect(listKids(keys)).toEqual(first);
      expect(await findSigningKid(keys, time.at)).toBe(first?.[0]);
    }
    expect(first).toHaveLength(2);
  });

  test('asked for twice at once is one', async () => {
    const { keys, told } = createReplicas(1);
    await Promise.all([keys.refresh(), keys.refresh()]);
    expect(told.map(({ step }) => step)).toEqual(['create', 'published']);
  });

  test.each(['ES256', 'RS256'] as const)(
    'makes keys of %s that jose accepts',
    async (algorithm) => {
      const { keys, time } = createReplicas(1, { algorithm });
      await keys.refresh();
      const token = await keys.sign(buildClaims(time.at));
      const verified = await jwtVerify(token, createLocalJWKSet(keys.jwks() as JSONWebKeySet), {
        algorithms: [algorithm],
        issuer: 'https://issuer.example',
        audience: 'sts.amazonaws.com',
        currentDate: new Date(time.at),
      });
      expect(verified.protectedHeader).toEqual({
        alg: algorithm,
        kid: listKids(keys)[0],
        typ: 'JWT',
      });
    },
  );
});

describe('a replica', () => {
  test('that has never read the keys signs and publishes nothing', async () => {
    const { keys, time } = createReplicas(1);
    expect(keys.jwks()).toBeUndefined();
    expect(keys.certificates()).toEqual([]);
    await expect(keys.sign(buildClaims(time.at))).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'signing_keys_stale',
    });
  });

  test('that has lost the API server stops after a minute, and goes on when it is back', async () => {
    const { keys, time, down } = createReplicas(1);
    await keys.refresh();
    down.add(0);
    time.at += minute - 1;
    await expect(keys.refresh()).rejects.toThrow('down');
    expect(await findSigningKid(keys, time.at)).toBeDefined();
    time.at += 1;
    expect(await findSigningKid(keys, time.at)).toBeUndefined();
    expect(keys.jwks()).toBeUndefined();
    down.clear();
    await keys.refresh();
    expect(await findSigningKid(keys, time.at)).toBeDefined();
  });
});

describe('a Secret that is spoilt', () => {
  test('is replaced, and the faults name its keys and show no value', async () => {
    const { keys, cluster, told } = createReplicas(1);
    await keys.refresh();
    cluster.corrupt('next.key', 'hunter2');
    await keys.refresh();
    const faults = told.flatMap((one) => one.faults).join();
    expect(faults).toContain('next.key');
    expect(faults).not.toContain('hunter2');
  });

  test('holds no private key of the past', async () => {
    const { keys, cluster, time } = createReplicas(1);
    const keyOf = () => cluster.secret()?.data['current.key'] ?? 'none';
    await keys.refresh();
    const old = keyOf();
    for (const step of [31 * day, minute]) {
      time.at += step;
      await keys.refresh();
    }
    expect(keyOf()).not.toBe(old);
    expect(JSON.stringify(cluster.secret())).not.toContain(JSON.stringify(old).slice(1, -1));
  });
});

describe('a taint', () => {
  const tainted = async (value: string) => {
    const stage = createReplicas(2);
    const [one = stage.keys, other = one] = stage.replicas;
    await one.refresh();
    await other.refresh();
    const before = listKids(one);
    stage.time.at += day;
    stage.cluster.annotate(TAINT, value);
    await one.refresh();
    return { ...stage, one, other, before };
  };

  test('has the next key sign at once, and publishes the tainted one no more', async () => {
    const { one, before, time } = await tainted('monday');
    expect(await findSigningKid(one, time.at)).toBe(before[1]);
    expect(listKids(one)).toHaveLength(2);
    expect(listKids(one)[0]).toBe(before[1]);
    expect(listKids(one)).not.toContain(before[0]);
  });

  test('that begins with all replaces both', async () => {
    const { one, before, time } = await tainted('all-monday');
    expect(before).not.toContain(await findSigningKid(one, time.at));
    expect(listKids(one).filter((kid) => before.includes(kid))).toEqual([]);
  });

  test('is taken once for each value, by whichever replica comes first', async () => {
    const { one, other, cluster, told } = await tainted('monday');
    await other.refresh();
    await one.refresh();
    expect(listKids(other)).toEqual(listKids(one));
    expect(told.filter(({ step }) => step === 'taint')).toHaveLength(1);
    cluster.annotate(TAINT, 'tuesday');
    await other.refresh();
    expect(told.filter(({ step }) => step === 'taint')).toHaveLength(2);
  });

  test('leaves a replica that cannot hear of it a minute, and no more', async () => {
    const { other, before, time, down } = await tainted('monday');
    down.add(1);
    await other.refresh().catch(() => undefined);
    expect(await findSigningKid(other, time.at)).toBeUndefined();
    expect(listKids(other)).not.toContain(before[0]);
  });

  test('is in what another replica serves to a cloud that asks, before its next round', async () => {
    const { one, other, before, down } = await tainted('monday');
    expect(await other.freshJwks()).toEqual(one.jwks());
    expect(listKids(other)).not.toContain(before[0]);
    down.add(1);
    expect(await other.freshJwks()).toEqual(one.jwks());
  });

  test('while the next key has just begun to sign replaces both: nobody knows which was meant', async () => {
    const { keys, cluster, time, told } = createReplicas(1);
    await keys.refresh();
    const before = listKids(keys);
    time.at += 31 * day;
    await keys.refresh();
    expect(told.at(-1)?.step).toBe('schedule');
    time.at += minute + 1;
    cluster.annotate(TAINT, 'now');
    await keys.refresh();
    expect(listKids(keys).filter((kid) => before.includes(kid))).toEqual([]);
  });
});

describe('another algorithm', () => {
  test('is signed by once its key has been published for as long as any other', async () => {
    const stage = createReplicas(1);
    await stage.keys.refresh();
    const changed = createReplicas(1, { algorithm: 'RS256' });
    changed.time.at = stage.time.at;
    const data = stage.cluster.secret()?.data ?? {};
    await changed.cluster.deps.createSecret(data);
    const { keys } = changed;
    const algorithms: unknown[] = [];
    for (let step = 0; step < 14; step += 1) {
      await keys.refresh();
      algorithms.push(keys.jwks()?.keys[0]?.['alg']);
      changed.time.at += minute;
    }
    expect(algorithms.slice(0, 10)).toEqual(Array(10).fill('ES256'));
    expect(algorithms.at(-1)).toBe('RS256');
  });
});
