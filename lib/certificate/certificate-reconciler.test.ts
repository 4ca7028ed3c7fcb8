import { X509Certificate } from 'node:crypto';

import { describe, expect, it } from '@jest/globals';

import type { Leaf } from './certificate-authority.ts';
import { bundleContains, joinBundle, splitBundle } from './trust-bundle.ts';
import { createFakeCluster, type FakeCluster } from './fixtures/fake-cluster.ts';
import { ROTATION_RULES } from './certificate-rotation.ts';
import {
  reconcileCertificates,
  type CertificateReconcileResult,
} from './certificate-reconciler.ts';

const start = Date.parse('2030-01-01T00:00:00Z');
const day = 86_400_000;
const reconcilerOptions = {
  names: ['webhook.valetkey.svc'],
  annotation: 'valetkey.dev/rotate',
  rules: ROTATION_RULES,
};

/** Pure in its arguments, and asked for the same ones thousands of times. */
const memoize = <T>(compute: (...keys: string[]) => T) => {
  const known = new Map<string, T>();
  return (...keys: string[]): T => {
    const key = keys.join();
    const value = known.get(key) ?? compute(...keys);
    known.set(key, value);
    return value;
  };
};

const parseCertificate = memoize((pem = '') => new X509Certificate(pem));
const isSigned = memoize((leaf = '', issuer = '') => {
  const [certificate, authority] = [parseCertificate(leaf), parseCertificate(issuer)];
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
});

/** What a Go or Node client does with the bundle it holds: some certificate of it signed the leaf. */
const isLeafTrusted = (leaf: Leaf, bundle: string, now: number): boolean =>
  leaf.notBefore <= now &&
  now < leaf.notAfter &&
  splitBundle(bundle).some(
    (issuer) =>
      isSigned(leaf.certificate, issuer) && parseCertificate(issuer).validToDate.getTime() > now,
  );

type Walk = { readonly cluster: FakeCluster; at: number };
const createWalk = (): Walk => {
  const walk = { at: start } as { cluster: FakeCluster; at: number };
  walk.cluster = createFakeCluster(() => walk.at);
  return walk;
};
const reconcile = (
  walk: Walk,
  held?: CertificateReconcileResult,
): Promise<CertificateReconcileResult> =>
  reconcileCertificates(reconcilerOptions, walk.cluster.deps, held?.leaf);

describe('the first reconciliation', () => {
  it('creates two authorities and publishes both', async () => {
    const walk = createWalk();
    const { leaf, isTrusted } = await reconcile(walk);
    expect(isTrusted).toBe(true);
    for (const bundle of walk.cluster.bundles()) {
      expect(splitBundle(bundle)).toHaveLength(2);
      expect(isLeafTrusted(leaf, bundle, start)).toBe(true);
    }
    expect(walk.cluster.steps).toEqual(['create', 'published']);
  });

  it('creates one Secret for five concurrent replicas, which serve trusted leaves', async () => {
    const walk = createWalk();
    const replicas = await Promise.all(Array.from({ length: 5 }, () => reconcile(walk)));
    const { created, conflicts } = walk.cluster.writes();
    expect(created).toBe(1);
    expect(conflicts).toBeGreaterThan(0);
    for (const { leaf, isTrusted } of replicas) {
      expect(isTrusted).toBe(true);
      for (const bundle of walk.cluster.bundles()) {
        expect(isLeafTrusted(leaf, bundle, start)).toBe(true);
      }
    }
    expect(new Set(replicas.map(({ leaf }) => leaf.key)).size).toBe(5);
  });

  it('does not store the key of a leaf', async () => {
    const walk = createWalk();
    const { leaf } = await reconcile(walk);
    expect(JSON.stringify(walk.cluster.secret())).not.toContain(JSON.stringify(leaf.key));
    expect(Object.keys(walk.cluster.secret().data).sort()).toEqual(
      ['current.crt', 'current.key', 'next.crt', 'next.key', 'state.json'].sort(),
    );
  });
});

describe('a reconciliation without changes', () => {
  it('writes nothing and keeps the leaf', async () => {
    const walk = createWalk();
    const first = await reconcile(walk);
    const before = walk.cluster.writes();
    walk.at += day;
    expect((await reconcile(walk, first)).leaf).toBe(first.leaf);
    expect(walk.cluster.writes()).toEqual(before);
  });

  it('renews the leaf at two thirds of its lifetime with the same authority', async () => {
    const walk = createWalk();
    const first = await reconcile(walk);
    walk.at += 5 * day;
    const second = await reconcile(walk, first);
    expect(second.leaf.issuer).toBe(first.leaf.issuer);
    expect(second.leaf.notAfter).toBe(walk.at + 7 * day);
  });

  it('restores an emptied bundle', async () => {
    const walk = createWalk();
    const first = await reconcile(walk);
    walk.cluster.overwriteBundle('');
    const second = await reconcile(walk, first);
    expect(second.isTrusted).toBe(true);
    expect(
      walk.cluster.bundles().every((bundle) => bundleContains(bundle, first.leaf.issuer)),
    ).toBe(true);
  });
});

describe('a rotation', () => {
  const request = (walk: Walk, value: string) =>
    walk.cluster.annotate('valetkey.dev/rotate', value);

  it('is applied once for each annotation value', async () => {
    const walk = createWalk();
    const first = await reconcile(walk);
    walk.at += day;
    request(walk, 'monday');
    const second = await reconcile(walk, first);
    expect(second.leaf.issuer).not.toBe(first.leaf.issuer);
    expect(second.isTrusted).toBe(true);
    walk.at += day;
    expect((await reconcile(walk, second)).leaf).toBe(second.leaf);
    request(walk, 'tuesday');
    expect((await reconcile(walk, second)).leaf.issuer).not.toBe(second.leaf.issuer);
  });

  it('signs only with an authority that was published for the settle time', async () => {
    const walk = createWalk();
    const first = await reconcile(walk);
    request(walk, 'at once');
    walk.at += ROTATION_RULES.settleMs - 1;
    const early = await reconcile(walk, first);
    expect(early.leaf).toBe(first.leaf);
    walk.at += 1;
    expect((await reconcile(walk, early)).leaf.issuer).not.toBe(first.leaf.issuer);
  });

  it('waits while a live bundle lacks the next authority', async () => {
    const walk = createWalk();
    const first = await reconcile(walk);
    walk.at += day;
    request(walk, 'now');
    walk.cluster.overwriteBundle(first.leaf.issuer);
    const stuck = { ...walk.cluster.deps, writeBundle: () => Promise.reject(new Error('down')) };
    await expect(reconcileCertificates(reconcilerOptions, stuck, first.leaf)).rejects.toThrow(
      'down',
    );
    expect(walk.cluster.steps).toEqual(['create', 'published']);
  });

  it('keeps the old authority in the bundle until its last leaf has expired', async () => {
    const walk = createWalk();
    const first = await reconcile(walk);
    walk.at += day;
    request(walk, 'now');
    await reconcile(walk, first);
    const trustsOld = () =>
      walk.cluster.bundles().some((b) => bundleContains(b, first.leaf.issuer));
    expect(trustsOld()).toBe(true);
    walk.at += 7 * day;
    await reconcile(walk);
    expect(trustsOld()).toBe(true);
    walk.at += day;
    await reconcile(walk);
    expect(trustsOld()).toBe(false);
  });
});

describe('an empty or invalid Secret', () => {
  const damages: [string, (cluster: FakeCluster) => void][] = [
    ['emptied', (cluster) => cluster.emptySecret()],
    ['stored with an invalid key', (cluster) => cluster.corrupt('current.key', 'x')],
    [
      'stored with an invalid state',
      (cluster) => cluster.corrupt('state.json', '{"promotedAt":"x"}'),
    ],
  ];
  it.each(damages)('is replaced when it is %s, and old leaves stay trusted', async (_, damage) => {
    const walk = createWalk();
    const first = await reconcile(walk);
    damage(walk.cluster);
    const second = await reconcile(walk);
    expect(second.isTrusted).toBe(true);
    expect(second.leaf.issuer).not.toBe(first.leaf.issuer);
    for (const bundle of walk.cluster.bundles()) {
      expect(isLeafTrusted(first.leaf, bundle, walk.at)).toBe(true);
      expect(isLeafTrusted(second.leaf, bundle, walk.at)).toBe(true);
    }
  });

  it('causes field errors that name its keys without values', async () => {
    const walk = createWalk();
    await reconcile(walk);
    walk.cluster.corrupt('next.key', 'hunter2');
    const reported: string[] = [];
    const deps = {
      ...walk.cluster.deps,
      onStep: (_: string, faults: readonly string[]) => void reported.push(...faults),
    };
    await reconcileCertificates(reconcilerOptions, deps, undefined);
    expect(reported.join()).toContain('next.key');
    expect(reported.join()).not.toContain('hunter2');
  });

  it('causes no field errors when it is empty, as the chart creates it', async () => {
    const { cluster } = createWalk();
    const reported: [string, readonly string[]][] = [];
    const onStep = (step: string, faults: readonly string[]) => void reported.push([step, faults]);
    await reconcileCertificates(reconcilerOptions, { ...cluster.deps, onStep }, undefined);
    expect(reported[0]).toEqual(['create', []]);
    expect(cluster.writes().created).toBe(1);
  });
});

describe('reconciliation over three authority lifetimes', () => {
  const short = {
    ...reconcilerOptions,
    rules: { authorityLifetimeMs: 90 * day, leafLifetimeMs: 6 * day, settleMs: 30_000 },
  };

  it('lets clients with the current or previous bundle connect to every replica at every step', async () => {
    const walk = createWalk();
    const replicas: (Leaf | undefined)[] = [undefined, undefined, undefined];
    const issuers = new Set<string>();
    const broken: string[] = [];
    let lagging: readonly string[] = [];
    for (let step = 0; step < 270; step += 1) {
      if (step === 100) walk.cluster.annotate('valetkey.dev/rotate', 'by hand');
      // One replica a day: the others lag behind by up to two.
      const turn = step % replicas.length;
      const { leaf } = await reconcileCertificates(short, walk.cluster.deps, replicas[turn]);
      replicas[turn] = leaf;
      issuers.add(leaf.issuer);
      const trusted = [...lagging, ...walk.cluster.bundles()];
      const refused = replicas.some(
        (held) => held && !trusted.every((bundle) => isLeafTrusted(held, bundle, walk.at)),
      );
      if (refused) broken.push(`day ${step}`);
      lagging = walk.cluster.bundles();
      walk.at += day;
    }
    expect(broken).toEqual([]);
    // Every 30 days, and once by hand.
    expect(issuers.size).toBe(10);
    expect(splitBundle(walk.cluster.bundles()[0] ?? '').length).toBeLessThanOrEqual(3);
  }, 30_000);

  it('creates new authorities when all have expired', async () => {
    const walk = createWalk();
    const first = await reconcile(walk);
    walk.at += 1500 * day;
    const second = await reconcile(walk, first);
    expect(second.isTrusted).toBe(true);
    expect(isLeafTrusted(second.leaf, walk.cluster.bundles()[0] ?? '', walk.at)).toBe(true);
  });
});

describe('the bundle', () => {
  it('contains each certificate once, regardless of line lengths', async () => {
    const { leaf } = await reconcile(createWalk());
    const rewrapped = leaf.issuer.replace(/\n(?!-)/g, '').replace('-----END', '\n-----END');
    expect(bundleContains(rewrapped, leaf.issuer)).toBe(true);
    expect(splitBundle(joinBundle([leaf.issuer, rewrapped]))).toHaveLength(1);
    expect(bundleContains('', leaf.issuer)).toBe(false);
    expect(bundleContains(leaf.issuer, '')).toBe(false);
  });
});

describe('clients with an immutable bundle', () => {
  const due = reconcilerOptions.rules.authorityLifetimeMs / 3 + day;
  const walkWith =
    (walk: Walk, dependents: () => readonly string[]) => (held?: CertificateReconcileResult) =>
      reconcileCertificates(
        reconcilerOptions,
        { ...walk.cluster.deps, readClientBundles: () => Promise.resolve(dependents()) },
        held?.leaf,
      );

  it('delay the next authority until all of them trust it or are gone', async () => {
    const walk = createWalk();
    let held = await reconcile(walk);
    const [current = ''] = splitBundle(walk.cluster.bundles()[0] ?? '');
    let dependents: readonly string[] = [current];
    const next = walkWith(walk, () => dependents);
    walk.at += due;
    held = await next(held);
    walk.at += day;
    held = await next(held);
    expect(held.missingNextCount).toBe(1);
    expect(held.isTrusted).toBe(true);
    expect(held.leaf.issuer).toBe(current);
    expect(walk.cluster.steps).not.toContain('rotate');

    dependents = [];
    held = await next(held);
    walk.at += day;
    held = await next(held);
    expect(held.missingNextCount).toBe(0);
    expect(walk.cluster.steps).toContain('rotate');
    expect(held.leaf.issuer).not.toBe(current);
  });

  it('do not delay an authority that they trust', async () => {
    const walk = createWalk();
    const first = await reconcile(walk);
    const dependents = [walk.cluster.bundles()[0] ?? ''];
    walk.at += due;
    const held = await walkWith(walk, () => dependents)(first);
    expect(walk.cluster.steps).toContain('rotate');
    expect(dependents.every((bundle) => isLeafTrusted(held.leaf, bundle, walk.at))).toBe(true);
  });
});
