import { setImmediate as allSettled } from 'node:timers/promises';

import { describe, expect, it } from '@jest/globals';

import type { AuditEvent } from '../../lib/audit/audit-event.ts';
import type { AuthorizedRun } from '../../lib/exchange/authorized-run.ts';
import { buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import type { Release } from '../../lib/upstreams/release-seal.ts';
import type { HttpUpstream, PostgresUpstream } from '../../lib/upstreams/upstream.ts';
import { createDatabaseIssue } from './database-runs.ts';
import { createSecretReleases, type SecretReleaseDeps } from './secret-releases.ts';
import { createHttpIssue } from './upstream-secrets.ts';

const VAULT = { kind: 'vault', address: 'https://vault.example', mount: 'jwt', role: 'r' } as const;
const api = {
  kind: 'http',
  name: 'api',
  rules: { name: 'api', url: 'https://api.example' },
  access: { secret: VAULT, present: { kind: 'header', name: 'x', template: '{secret}' } },
} as unknown as HttpUpstream;
const database = {
  ...{ kind: 'postgres', name: 'reports', host: 'db.example', port: 5432 },
  admin: { name: 'admin', key: 'login' },
  templates: [],
} as const satisfies PostgresUpstream;

const authorize = (upstream: HttpUpstream | PostgresUpstream, namespace: string): AuthorizedRun =>
  ({
    run: 'a'.repeat(32),
    params: {},
    upstream,
    task: buildTask({ provider: upstream.kind, allow: [], role: `${upstream.name}/app` }),
    workload: { namespace, serviceAccount: 'agent', pod: { name: 'p', uid: 'u' } },
  }) as unknown as AuthorizedRun;

/** A server that does not answer, until the test lets it. */
const createPendingServer = () => {
  const waiting: (() => void)[] = [];
  const ask = (): Promise<never> =>
    new Promise((_, reject) => waiting.push(() => reject(new Error('no answer'))));
  return { waiting, ask };
};

describe.each([
  {
    ...{ source: 'a secret source', upstream: api, perUpstream: 64, perNamespace: 32 },
    code: 'secret_unavailable',
    create: (ask: () => Promise<never>) =>
      createHttpIssue({ sources: { fetch: ask }, now: Date.now } as never),
  },
  {
    ...{ source: 'a database', upstream: database, perUpstream: 8, perNamespace: 4 },
    code: 'database_unavailable',
    create: (ask: () => Promise<never>) =>
      createDatabaseIssue({ connectDatabase: ask, now: Date.now }),
  },
])('runs that wait for $source', ({ upstream, perUpstream, perNamespace, code, create }) => {
  const start = () => {
    const { waiting, ask } = createPendingServer();
    const issue = create(ask);
    const begin = (namespace: string, count: number) =>
      Array.from({ length: count }, () =>
        issue(authorize(upstream, namespace)).catch((error: unknown) => error),
      );
    return { waiting, begin };
  };

  it('are refused, to be repeated, when one namespace has many, and others still get a place', async () => {
    const { waiting, begin } = start();
    void begin('one', perNamespace);
    expect(await begin('one', 1)[0]).toMatchObject({ name: 'RequestError', code });
    void begin('two', 1);
    expect(waiting).toHaveLength(perNamespace + 1);
  });

  it('are refused when the Upstream has many, and no longer when those have ended', async () => {
    const { waiting, begin } = start();
    const all = Array.from({ length: perUpstream / perNamespace }, (_, at) =>
      begin(`n${at}`, perNamespace),
    ).flat();
    expect(await begin('other', 1)[0]).toMatchObject({ name: 'RequestError', code });
    waiting.splice(0).forEach((fail) => fail());
    await Promise.all(all);
    void begin('other', 1);
    expect(waiting).toHaveLength(1);
  });
});

describe('createSecretReleases', () => {
  const startReleases = () => {
    const waiting: (() => void)[] = [];
    const records: AuditEvent[] = [];
    const release = { upstream: 'api', task: 't', server: VAULT.address, revocation: 'x' };
    const releases = createSecretReleases({
      open: (): Release => release,
      findUpstream: () => api,
      sources: { revoke: () => new Promise<void>((resolve) => waiting.push(resolve)) },
      record: (event: AuditEvent) => {
        records.push(event);
        return Promise.resolve();
      },
      metrics: { secretRevoked: () => undefined },
      onFailure: () => undefined,
      clock: { now: Date.now },
      random: () => 0,
      pause: () => new Promise(() => undefined),
    } as unknown as SecretReleaseDeps);
    const holder = (namespace: string) => {
      const caller = { namespace, serviceAccount: 'agent', pod: { name: 'p', uid: 'u' } };
      return { run: 'run', caller: caller as never };
    };
    const report = (namespace: string, sealed: string): void =>
      releases.readRelease(sealed, holder(namespace))?.();
    const fill = (namespace: string): void => {
      for (let at = 0; at < 64; at += 1) report(namespace, `${namespace}-${at}`);
    };
    return { ...{ waiting, records, releases, holder, report, fill } };
  };

  it('refuses more of one namespace, and still accepts those of others', () => {
    const { waiting, report, fill } = startReleases();
    fill('one');
    expect(() => report('one', 'next')).toThrow(
      expect.objectContaining({ name: 'RequestError', code: 'secret_unavailable' }),
    );
    report('two', 'first');
    expect(waiting).toHaveLength(65);
  });

  it('accepts a release that it refused, when it is reported again, and each only once', async () => {
    const { waiting, report, fill, records } = startReleases();
    fill('one');
    expect(() => report('one', 'next')).toThrow();
    waiting.splice(0).forEach((end) => end());
    await allSettled();
    report('one', 'next');
    report('one', 'next');
    expect(waiting).toHaveLength(1);
    expect(records).toEqual([]);
  });

  it('records a secret that was issued, is not returned and cannot be revoked now', async () => {
    const { releases, holder, fill, records } = startReleases();
    fill('one');
    const issued = { run: 'run', secret: {}, release: 'sealed' } as never;
    releases.discardIssued(issued, holder('one').caller);
    await allSettled();
    expect(records).toMatchObject([
      { kind: 'secret.revocation_failed', reason: 'secret_unavailable' },
    ]);
  });
});
