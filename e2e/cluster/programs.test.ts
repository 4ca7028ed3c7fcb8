import { describe, expect, it } from '@jest/globals';
import { getProgramPath, parseKubernetesVersion, programNames } from './programs.ts';

describe('getProgramPath', () => {
  it('differs between versions of Kubernetes for the programs of a cluster only', () => {
    const others = programNames.filter(
      (name) => getProgramPath(name, '1.30') !== getProgramPath(name),
    );
    expect(others).toEqual([
      'kube-apiserver',
      'kube-controller-manager',
      'kube-scheduler',
      'kubelet',
      'kube-proxy',
    ]);
  });

  it('is that of the newest version by default', () => {
    expect(getProgramPath('kubelet')).toBe(getProgramPath('kubelet', '1.35'));
    expect(programNames).toHaveLength(new Set(programNames).size);
  });
});

describe('parseKubernetesVersion', () => {
  it('returns the newest version by default, and rejects others', () => {
    expect([parseKubernetesVersion(undefined), parseKubernetesVersion('1.30')]).toEqual([
      '1.35',
      '1.30',
    ]);
    expect(() => parseKubernetesVersion('1.29')).toThrow(
      '--kubernetes: expected 1.35 or 1.30, got 1.29',
    );
  });
});
