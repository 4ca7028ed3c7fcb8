import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { injectPod } from '../../../lib/injection/fixtures/injected-pods.ts';
import { authorityPlatform } from '../../../lib/injection/fixtures/sample-platform.ts';
import { waitFor } from '../../../test/kit/retry.ts';
import { CommandError } from '../../cluster/command.ts';
import { runKubectl } from '../../cluster/kubectl.ts';
import { cluster, testContext } from '../test-context.ts';

/** The webhooks are not called in this namespace, so that the admission policies decide alone. */
const { namespace } = testContext.release;

const setParameters = (data: Readonly<Record<string, string>>) => {
  const where = ['configmap', 'valetkey-policy-parameters', '-n', namespace];
  return runKubectl(cluster, ['patch', ...where, '-p', JSON.stringify({ data })]);
};

/** Creates an injected pod that has a token for one more audience; returns the refusal, if there is one. */
const tryPod = async (audience: string): Promise<string | undefined> => {
  const { spec } = injectPod({ platform: authorityPlatform });
  const sources = [{ serviceAccountToken: { audience, path: 'token' } }];
  const volumes = [...(spec?.volumes ?? []), { name: 'own', projected: { sources } }];
  const annotations = { 'task.valetkey.dev/read': '{}' };
  const pod = {
    ...{ apiVersion: 'v1', kind: 'Pod' },
    metadata: { name: 'other-clouds', namespace, annotations },
    spec: { ...spec, serviceAccountName: 'default', volumes },
  };
  try {
    const input = JSON.stringify(pod);
    await runKubectl(cluster, ['create', '--dry-run=server', '-f', '-'], { input });
    return undefined;
  } catch (error) {
    if (error instanceof CommandError) return error.stderr;
    throw error;
  }
};

const AZURE = 'api://AzureADTokenExchange';
const GOOGLE = 'sts.googleapis.com';

describe('the admission policies with pods.otherClouds: allow', () => {
  beforeAll(async () => {
    expect(await tryPod(AZURE)).toContain('(rule 5)');
    await setParameters({ otherClouds: 'allow', protectedAudiences: GOOGLE });
    await waitFor('the new parameters', async () => (await tryPod(AZURE)) === undefined);
  });

  afterAll(async () => {
    await setParameters({ otherClouds: 'refuse', protectedAudiences: '' });
    await waitFor('the previous parameters', async () => (await tryPod(AZURE)) !== undefined);
  });

  it('admit a pod with a token for Azure', async () => {
    expect(await tryPod(AZURE)).toBeUndefined();
  });

  it.each([
    ['an audience of Google that the platform protects', GOOGLE.toUpperCase()],
    ['AWS', 'sts.amazonaws.com'],
    ['the authority', 'authority.valetkey.dev'],
  ])('still refuse a pod with a token for %s', async (_, audience) => {
    const refusal = await tryPod(audience);
    expect(refusal).toContain("ValidatingAdmissionPolicy 'valetkey-pods'");
    expect(refusal).toContain('/spec/volumes/');
    expect(refusal).toContain('(rule 5)');
  });
});
