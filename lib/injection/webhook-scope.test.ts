import { describe, expect, it } from '@jest/globals';
import type { Pod } from '../contract/pod.ts';
import { isInScope } from './webhook-scope.ts';
import { agentPod } from './fixtures/injected-pods.ts';
import { authorityPlatform, platform } from './fixtures/sample-platform.ts';
import {
  buildAuthorityValidateConditions,
  mutateConditions,
  validateConditions,
} from './match-conditions.ts';

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

/** End-to-end tests check that the API server evaluates them. */
describe('match conditions', () => {
  const [mutate, validate] = [mutateConditions, validateConditions].map(
    ([condition]) => condition?.expression.split(' || ') ?? [],
  );

  it('of the mutating webhook test the annotations of the new object only', () => {
    expect(mutate).toEqual([
      "(object != null && has(object.metadata) && has(object.metadata.annotations) && object.metadata.annotations != null && object.metadata.annotations.exists(it, it.startsWith('task.valetkey.dev/')))",
    ]);
  });

  it('of the validating webhook test annotations, every container list and volumes of both objects', () => {
    const looksAt = validate?.map((part) => / && (\w+\.\w+\.\w+)\.exists/.exec(part)?.[1]);
    const members = ['containers', 'initContainers', 'ephemeralContainers', 'volumes'];
    expect(looksAt).toEqual(
      ['object', 'oldObject'].flatMap((subject) => [
        `${subject}.metadata.annotations`,
        ...members.map((member) => `${subject}.spec.${member}`),
      ]),
    );
  });

  it('of the validating webhook test tokens too under trust: authority', () => {
    const quoted = JSON.stringify(`it's "quoted"`);
    const [condition] = buildAuthorityValidateConditions(quoted);
    const parts = condition?.expression.split(' || ') ?? [];
    const further = parts.filter((part) => !validate?.includes(part));
    const token = 'source.serviceAccountToken';
    expect(parts).toHaveLength((validate?.length ?? 0) + 2);
    expect(further).toEqual(
      ['object', 'oldObject'].map(
        (subject) =>
          `(${subject} != null && has(${subject}.spec) && has(${subject}.spec.volumes) && ${subject}.spec.volumes != null && ` +
          `${subject}.spec.volumes.exists(it, has(it.projected) && has(it.projected.sources) && it.projected.sources != null && ` +
          `it.projected.sources.exists(source, has(${token}) && has(${token}.audience) && ${token}.audience == "it's \\"quoted\\"")))`,
      ),
    );
  });

  it('check every field for presence and null before they read it', () => {
    for (const part of validate ?? []) {
      const [, subject, group, member] = /(\w+)\.(\w+)\.(\w+)\.exists/.exec(part) ?? [];
      const path = `${subject}.${group}.${member}`;
      const guards = `(${subject} != null && has(${subject}.${group}) && has(${path}) && ${path} != null && `;
      expect(part.startsWith(guards)).toBe(true);
    }
  });
});
