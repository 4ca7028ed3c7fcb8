import { afterEach, describe, expect, it } from '@jest/globals';

import { ConnectionError } from '../../lib/edge/http/https-client.ts';
import type { ReadSourceSecret } from '../../lib/edge/kubernetes/source-secrets.ts';
import type { CheckedUpstream } from '../../lib/edge/telemetry/authority-upstream-metrics.ts';
import type { ReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import { SecretError, type SecretErrorCode } from '../../lib/upstreams/secret-fetcher.ts';
import type { Condition } from './conditions.ts';
import type { StoredObject } from './stored-objects.ts';
import {
  startUpstreamStatus,
  type ProbeServer,
  type UpstreamStatusDeps,
} from './upstream-status.ts';

let loop: ReconcileLoop | undefined;
afterEach(() => loop?.stop());

const present = { header: { name: 'authorization', template: 'Bearer {secret}' } };
const NOW = Date.parse('2026-01-02T03:04:05Z');
const KEY = 'sk-canary-0123456789abcdef';

const buildUpstream = (spec: object, conditions: readonly Condition[] = []): StoredObject => ({
  metadata: { name: 'model-api', uid: 'u', resourceVersion: '1', generation: 3 },
  spec: { url: 'https://api.example', present, ...spec },
  status: { conditions },
});

const kubernetes = { kubernetes: { name: 'model-key', key: 'token', maxAge: '90d' } };
const vault = { vault: { address: 'https://vault.example', mount: 'jwt', role: 'agents' } };
const oauth = {
  oauth: {
    ...{ tokenUrl: 'https://login.example/token', clientId: 'a', auth: 'secret' },
    key: { name: 'client', key: 'secret' },
  },
};
const githubApp = {
  githubApp: {
    ...{ appId: 1, installationId: 2, privateKey: { name: 'app', key: 'pem' } },
    permissions: { Read: { contents: 'read' } },
  },
};

const read: ReadSourceSecret = () => Promise.resolve({ text: KEY, changedAtMs: NOW - 1000 });
const answer: ProbeServer = () => Promise.resolve();
const refuse =
  (code: SecretErrorCode): ReadSourceSecret =>
  () =>
    Promise.reject(new SecretError(code, `secret n/model-key: ${code}`));

/** Checks an Upstream once. */
const check = async (
  stored: StoredObject,
  deps: Partial<Pick<UpstreamStatusDeps, 'readSourceSecret' | 'probe'>> = {},
) => {
  const written: (readonly Condition[])[] = [];
  const failures: unknown[] = [];
  const checked = await new Promise<readonly CheckedUpstream[]>((resolve) => {
    loop = startUpstreamStatus(
      {
        ...{ readSourceSecret: read, probe: answer, random: () => 0.5, clock: { now: () => NOW } },
        writeStatus: ({ status }) => {
          written.push(status.conditions);
          return Promise.resolve('written');
        },
        metrics: { upstreamsChecked: resolve },
        onFailure: (_, error) => failures.push(error),
        ...deps,
      },
      () => [stored],
    );
  });
  expect(failures).toEqual([]);
  return { checked, written, conditions: written[0] ?? [] };
};

const summarize = (conditions: readonly Condition[]) =>
  Object.fromEntries(conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]));

describe('startUpstreamStatus', () => {
  it('checks the other Upstreams when the status of one cannot be written', async () => {
    const failures: unknown[] = [];
    const first = buildUpstream({ secret: kubernetes });
    const second = { ...first, metadata: { ...first.metadata, name: 'other' } };
    const checked = await new Promise<readonly CheckedUpstream[]>((resolve) => {
      let counted: readonly CheckedUpstream[] = [];
      loop = startUpstreamStatus(
        {
          ...{ readSourceSecret: read, probe: answer, random: () => 0.5 },
          clock: { now: () => NOW },
          writeStatus: ({ name }) =>
            name === 'other' ? Promise.resolve('written') : Promise.reject(new Error('too long')),
          metrics: { upstreamsChecked: (all) => (counted = all) },
          onFailure: (_, error) => {
            failures.push(error);
            resolve(counted);
          },
        },
        () => [first, second],
      );
    });
    expect(checked.map(({ name }) => name)).toEqual(['other']);
    expect(failures).toEqual([new Error('too long')]);
  });

  it.each([
    [
      'a Kubernetes Secret',
      kubernetes,
      { SecretFound: 'True Found', Ready: 'True Valid' },
      ['model-key for https://api.example as token'],
      [],
    ],
    [
      'a Vault',
      vault,
      { SecretFound: 'True IssuedPerRun', Reachable: 'True Answered', Ready: 'True Valid' },
      [],
      ['https://vault.example/v1/sys/health'],
    ],
    [
      'an OAuth server',
      oauth,
      { SecretFound: 'True Found', Reachable: 'True Answered', Ready: 'True Valid' },
      ['client for https://login.example as token'],
      ['https://login.example/token'],
    ],
    [
      'a GitHub App',
      githubApp,
      { SecretFound: 'True Found', Reachable: 'True Answered', Ready: 'True Valid' },
      ['app for https://api.github.com as pem'],
      ['https://api.github.com'],
    ],
  ])('reports whether runs get the secret of %s', async (_what, secret, expected, reads, urls) => {
    const wasRead: string[] = [];
    const asked: string[] = [];
    const { conditions } = await check(buildUpstream({ secret }), {
      readSourceSecret: ({ name }, { origin, form }) => {
        wasRead.push(`${name} for ${origin} as ${form}`);
        return Promise.resolve({ text: KEY });
      },
      probe: ({ url }) => {
        asked.push(url);
        return Promise.resolve();
      },
    });
    expect(summarize(conditions)).toEqual(expected);
    expect([wasRead, asked]).toEqual([reads, urls]);
    expect(JSON.stringify(conditions)).not.toContain(KEY);
    for (const { observedGeneration, lastTransitionTime } of conditions) {
      expect([observedGeneration, lastTransitionTime]).toEqual([3, '2026-01-02T03:04:05.000Z']);
    }
  });

  it.each([
    ['secret_unavailable', 'SecretUnavailable'],
    ['secret_origin_mismatch', 'SecretOriginMismatch'],
    ['secret_invalid', 'SecretInvalid'],
  ] as const)('is not ready with %s', async (code, reason) => {
    const { conditions, checked } = await check(buildUpstream({ secret: kubernetes }), {
      readSourceSecret: refuse(code),
    });
    expect(summarize(conditions)).toEqual({
      SecretFound: `False ${reason}`,
      Ready: `False ${reason}`,
    });
    expect(checked).toEqual([
      { name: 'model-api', isReady: false, age: { maxAgeSeconds: 90 * 86_400 } },
    ]);
  });

  it('does not report what is wrong with a secret', async () => {
    const { conditions } = await check(buildUpstream({ secret: kubernetes }), {
      readSourceSecret: () =>
        Promise.reject(new SecretError('secret_invalid', 'expected at least 16 bytes')),
    });
    expect(JSON.stringify(conditions)).not.toContain('16 bytes');
  });

  it('is not ready while the server does not answer', async () => {
    const { conditions } = await check(buildUpstream({ secret: vault }), {
      probe: () => Promise.reject(new ConnectionError('ECONNREFUSED', { wasSent: false })),
    });
    expect(summarize(conditions)).toMatchObject({
      Reachable: 'False Unreachable',
      Ready: 'False Unreachable',
    });
  });

  it('reports all errors of an Upstream that is not valid, and reads nothing', async () => {
    const { conditions } = await check(buildUpstream({ secret: kubernetes, url: 'ftp://x' }), {
      readSourceSecret: () => Promise.reject(new Error('was read')),
    });
    expect(summarize(conditions)).toEqual({ Ready: 'False Invalid' });
    expect(conditions[0]?.message).toContain('url');
  });

  it('reports the age of a Secret that has a largest one', async () => {
    const { checked } = await check(buildUpstream({ secret: kubernetes }));
    expect(checked).toEqual([
      {
        ...{ name: 'model-api', isReady: true },
        age: { maxAgeSeconds: 90 * 86_400, changedAtMs: NOW - 1000 },
      },
    ]);
  });

  it('writes only what changed, and drops the condition of a source that it no longer has', async () => {
    const { conditions } = await check(buildUpstream({ secret: vault }));
    expect((await check(buildUpstream({ secret: vault }, conditions))).written).toEqual([]);
    const other = { ...conditions[0], type: 'Other' } as Condition;
    const changed = await check(buildUpstream({ secret: kubernetes }, [...conditions, other]));
    expect(Object.keys(summarize(changed.conditions)).sort()).toEqual([
      'Other',
      'Ready',
      'SecretFound',
    ]);
  });
});
