import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { INVALID_UPSTREAMS, VALID_UPSTREAMS } from '../../../test/kit/upstream-cases.ts';
import { CommandError } from '../../cluster/command.ts';
import { applyObjects, getJson, runKubectl } from '../../cluster/kubectl.ts';
import { UPSTREAM_SECRETS } from '../../release.ts';
import { cluster, recordSecrets, testContext } from '../test-context.ts';

/** Returns the API server's refusal of an Upstream, or an empty string. */
const tryUpstream = async (spec: object): Promise<string> => {
  const metadata = { name: 'e2e-trial' };
  const object = { apiVersion: 'valetkey.dev/v1alpha1', kind: 'Upstream', metadata, spec };
  const args = ['create', '--dry-run=server', '--validate=strict', '-f', '-'];
  try {
    await runKubectl(cluster, args, { input: JSON.stringify(object) });
    return '';
  } catch (error) {
    if (error instanceof CommandError) return error.stderr;
    throw error;
  }
};

const BY_WEBHOOK = /admission webhook "policies\.valetkey\.dev" denied the request: upstreams\//;

describe('Upstreams on an API server', () => {
  it.each(VALID_UPSTREAMS)('are accepted: $title', async ({ spec }) => {
    expect(await tryUpstream(spec)).toBe('');
  });

  it.each(INVALID_UPSTREAMS.filter(({ isBeyondSchema }) => !isBeyondSchema))(
    'are refused by their schema, also without the webhook: $title',
    async ({ spec }) => {
      const refusal = await tryUpstream(spec);
      expect(refusal).not.toBe('');
      expect(refusal).not.toMatch(BY_WEBHOOK);
    },
  );

  it.each(INVALID_UPSTREAMS.filter(({ isBeyondSchema }) => isBeyondSchema))(
    'are refused by the webhook: $title',
    async ({ spec }) => {
      expect(await tryUpstream(spec)).toMatch(BY_WEBHOOK);
    },
  );
});

type Condition = { type: string; status: string; reason: string; observedGeneration: number };
type StoredUpstream = {
  metadata: { generation: number };
  status?: { conditions: readonly Condition[] };
};

describe('the conditions of an Upstream', () => {
  const name = `e2e-conditions-${testContext.entry}`;
  const key = `sk-conditions-${randomBytes(24).toString('hex')}`;

  const read = () => getJson<StoredUpstream>(cluster, ['upstream', name]);

  /** Waits until the authority has evaluated the stored version. @returns its status, and status and reason by type */
  const readConditions = () =>
    waitFor('the authority to evaluate the Upstream', async () => {
      const { metadata, status } = await read();
      const { conditions = [] } = status ?? {};
      const isCurrent = conditions.some(
        ({ observedGeneration }) => observedGeneration === metadata.generation,
      );
      const pairs = conditions.map((each) => [each.type, `${each.status} ${each.reason}`]);
      return isCurrent && { status, byType: Object.fromEntries(pairs) as Record<string, string> };
    });

  const expectNoKey = (status: object | undefined): void => {
    const text = JSON.stringify(status);
    const forms = (['utf8', 'base64', 'hex'] as const).map((form) =>
      Buffer.from(key).toString(form),
    );
    // Also no part of it.
    expect([...forms, key.slice(-8)].filter((each) => text.includes(each))).toEqual([]);
  };

  beforeAll(async () => {
    recordSecrets(key);
    const url = 'https://api.e2e.example';
    const present = { header: { name: 'authorization', template: 'Bearer {secret}' } };
    const secret = { kubernetes: { name, key: 'token' } };
    await applyObjects(cluster, [
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: {
          ...{ name, namespace: UPSTREAM_SECRETS },
          annotations: { 'valetkey.dev/origins': url },
        },
        stringData: { token: key },
      },
      {
        ...{ apiVersion: 'valetkey.dev/v1alpha1', kind: 'Upstream', metadata: { name } },
        spec: { url, present, secret },
      },
    ]);
  });

  afterAll(async () => {
    await runKubectl(cluster, ['delete', 'upstream', name, '--ignore-not-found']);
    const where = ['-n', UPSTREAM_SECRETS, '--ignore-not-found'];
    await runKubectl(cluster, ['delete', 'secret', name, ...where]);
  });

  it('say that its secret is found, then that it is not, and reveal nothing about it', async () => {
    const before = await readConditions();
    expect(before.byType).toEqual({ SecretFound: 'True Found', Ready: 'True Valid' });
    expectNoKey(before.status);

    await runKubectl(cluster, ['delete', 'secret', name, '-n', UPSTREAM_SECRETS]);
    // The authority checks at each new version, and otherwise every five minutes.
    const patch = JSON.stringify({ spec: { maxBody: '1Mi' } });
    await runKubectl(cluster, ['patch', 'upstream', name, '--type=merge', '-p', patch]);
    const after = await readConditions();
    expect(after.byType).toEqual({
      SecretFound: 'False SecretUnavailable',
      Ready: 'False SecretUnavailable',
    });
    expectNoKey(after.status);
  });
});
