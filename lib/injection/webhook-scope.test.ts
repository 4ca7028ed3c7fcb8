import { describe, expect, it } from '@jest/globals';
import type { Pod } from '../contract/pod.ts';
import { isInScope } from './webhook-scope.ts';
import { agentPod } from './fixtures/injected-pods.ts';
import { authorityPlatform, platform } from './fixtures/sample-platform.ts';

const plain: Pod = {
  metadata: { annotations: { 'valetkey.dev/x': '' } },
  spec: { containers: [{ name: 'a' }], volumes: [{ name: 'a' }] },
};
const buildPodWithSpec = (spec: Pod['spec']): Pod => ({
  ...plain,
  spec: { ...plain.spec, ...spec },
});

describe('isInScope', () => {
  it.each<[string, Pod | undefined, Pod | undefined]>([
    ['declares a task', agentPod, undefined],
    ['declared a task before', plain, agentPod],
    ['is gone and had declared one', undefined, agentPod],
    [
      'has our container',
      buildPodWithSpec({ containers: [{ name: 'valetkey-sidecar' }] }),
      undefined,
    ],
    [
      'has it as init',
      buildPodWithSpec({ initContainers: [{ name: 'valetkey-sidecar' }] }),
      undefined,
    ],
    [
      'has it as ephemeral',
      buildPodWithSpec({ ephemeralContainers: [{ name: 'valetkey-sidecar' }] }),
      plain,
    ],
    [
      'has a volume with a reserved name',
      buildPodWithSpec({ volumes: [{ name: 'valetkey-x' }] }),
      undefined,
    ],
  ])('is true for a pod that %s', (_, pod, oldPod) => {
    expect(isInScope({ pod, oldPod }, platform)).toBe(true);
  });

  it.each<[string, Pod | undefined, Pod | undefined]>([
    ['has no reserved name', plain, undefined],
    ['had none before', plain, plain],
    ['is empty', {}, {}],
    ['is not there', undefined, undefined],
  ])('is false for a pod that %s', (_, pod, oldPod) => {
    expect(isInScope({ pod, oldPod }, platform)).toBe(false);
  });

  const projecting = (audience: string): Pod => {
    const sources = [{ configMap: {} }, { serviceAccountToken: { audience, path: 'token' } }];
    return buildPodWithSpec({ volumes: [{ name: 'a' }, { name: 'b', projected: { sources } }] });
  };

  it('is true for a new or old pod that projects a token for the authority', () => {
    const pod = projecting('authority.valetkey.dev');
    expect(isInScope({ pod, oldPod: undefined }, authorityPlatform)).toBe(true);
    expect(isInScope({ pod: plain, oldPod: pod }, authorityPlatform)).toBe(true);
  });

  it('is false for a pod that projects a token for a cloud or another audience', () => {
    const [cloud, other] = [projecting('sts.amazonaws.com'), projecting('vault')];
    expect(isInScope({ pod: other, oldPod: other }, authorityPlatform)).toBe(false);
    expect(isInScope({ pod: cloud, oldPod: undefined }, authorityPlatform)).toBe(false);
    expect(isInScope({ pod: cloud, oldPod: undefined }, platform)).toBe(false);
  });
});
