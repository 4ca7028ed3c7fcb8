import { describe, expect, it } from '@jest/globals';
import { INVALID_UPSTREAMS, VALID_UPSTREAMS } from '../../../test/kit/upstream-cases.ts';
import { CommandError } from '../../cluster/command.ts';
import { runKubectl } from '../../cluster/kubectl.ts';
import { cluster } from '../test-context.ts';

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
