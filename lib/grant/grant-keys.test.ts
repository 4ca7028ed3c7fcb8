import { describe, expect, it } from '@jest/globals';
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

describe('the first refresh', () => {
  it('creates one Secret for five concurrent replicas, which sign with the first of two keys', async () => {
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

  it('runs once for concurrent callers', async () => {
    const { keys, reported } = createReplicas(1);
    await Promise.all([keys.refresh(), keys.refresh()]);
    expect(reported.map(({ step }) => step)).toEqual(['create', 'published']);
  });

  it.each(['ES256', 'RS256'] as const)('creates %s keys that jose accepts', async (algorithm) => {
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
  });
});

describe('createGrantKeyStore', () => {
  it('neither signs nor publishes before the first read', async () => {
    const { keys, time } = createReplicas(1);
    expect(keys.jwks()).toBeUndefined();
    expect(keys.certificates()).toEqual([]);
    await expect(keys.sign(buildClaims(time.at))).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'signing_keys_stale',
    });
  });

  it('stops one minute after it lost the API server and continues when it returns', async () => {
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

describe('an invalid Secret', () => {
  it('is replaced, and field errors name its keys without values', async () => {
    const { keys, cluster, reported } = createReplicas(1);
    await keys.refresh();
    cluster.corrupt('next.key', 'hunter2');
    await keys.refresh();
    const faults = reported.flatMap((one) => one.faults).join();
    expect(faults).toContain('next.key');
    expect(faults).not.toContain('hunter2');
  });

  it('causes no field errors when it is empty, as the chart creates it', async () => {
    const { keys, cluster, reported } = createReplicas(1);
    await keys.refresh();
    expect(reported[0]).toMatchObject({ step: 'create', faults: [] });
    expect(reported.flatMap(({ faults }) => faults)).toEqual([]);
    expect(cluster.writes().created).toBe(1);
  });

  it('contains no retired private key after a rotation', async () => {
    const { keys, cluster, time } = createReplicas(1);
    const readCurrentKey = () => cluster.secret().data['current.key'] ?? 'none';
    await keys.refresh();
    const old = readCurrentKey();
    for (const step of [31 * day, minute]) {
      time.at += step;
      await keys.refresh();
    }
    expect(readCurrentKey()).not.toBe(old);
    expect(JSON.stringify(cluster.secret())).not.toContain(JSON.stringify(old).slice(1, -1));
  });
});

describe('a taint annotation', () => {
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

  it('makes the next key sign immediately and unpublishes the tainted key', async () => {
    const { one, before, time } = await tainted('monday');
    expect(await findSigningKid(one, time.at)).toBe(before[1]);
    expect(listKids(one)).toHaveLength(2);
    expect(listKids(one)[0]).toBe(before[1]);
    expect(listKids(one)).not.toContain(before[0]);
  });

  it('replaces both keys when it starts with `all`', async () => {
    const { one, before, time } = await tainted('all-monday');
    expect(before).not.toContain(await findSigningKid(one, time.at));
    expect(listKids(one).filter((kid) => before.includes(kid))).toEqual([]);
  });

  it('is processed once for each value, by one replica', async () => {
    const { one, other, cluster, reported } = await tainted('monday');
    await other.refresh();
    await one.refresh();
    expect(listKids(other)).toEqual(listKids(one));
    expect(reported.filter(({ step }) => step === 'taint')).toHaveLength(1);
    cluster.annotate(TAINT, 'tuesday');
    await other.refresh();
    expect(reported.filter(({ step }) => step === 'taint')).toHaveLength(2);
  });

  it('stops a replica that cannot read the Secret within a minute', async () => {
    const { other, before, time, down } = await tainted('monday');
    down.add(1);
    await other.refresh().catch(() => undefined);
    expect(await findSigningKid(other, time.at)).toBeUndefined();
    expect(listKids(other)).not.toContain(before[0]);
  });

  it('is applied to the JWKS of another replica before its next refresh', async () => {
    const { one, other, before, down } = await tainted('monday');
    expect(await other.freshJwks()).toEqual(one.jwks());
    expect(listKids(other)).not.toContain(before[0]);
    down.add(1);
    expect(await other.freshJwks()).toEqual(one.jwks());
  });

  it('replaces both keys while the next key has just started to sign', async () => {
    const { keys, cluster, time, reported } = createReplicas(1);
    await keys.refresh();
    const before = listKids(keys);
    time.at += 31 * day;
    await keys.refresh();
    expect(reported.at(-1)?.step).toBe('schedule');
    time.at += minute + 1;
    cluster.annotate(TAINT, 'now');
    await keys.refresh();
    expect(listKids(keys).filter((kid) => before.includes(kid))).toEqual([]);
  });
});

describe('a changed algorithm', () => {
  it('is used only after its key has been published long enough', async () => {
    const stage = createReplicas(1);
    await stage.keys.refresh();
    const changed = createReplicas(1, { algorithm: 'RS256' });
    changed.time.at = stage.time.at;
    const { resourceVersion } = changed.cluster.secret();
    await changed.cluster.deps.replaceSecret(resourceVersion, stage.cluster.secret().data);
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
