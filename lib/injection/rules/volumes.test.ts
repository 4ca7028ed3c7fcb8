import { describe, expect, test } from '@jest/globals';
import { add, type Case, found, refuses, allows } from '../fixtures/cases.ts';
import { platform } from '../fixtures/platform.ts';

const tokenFor = (audience: string) => ({
  name: 'mine',
  projected: { sources: [{ configMap: {} }, { serviceAccountToken: { audience, path: 'x' } }] },
});

describe('volumes', () => {
  const at = '/spec/volumes/3/projected/sources/1/serviceAccountToken/audience';
  refuses('5', [
    [
      'a folder of the node',
      [add('/spec/volumes/-', { name: 'host', hostPath: { path: '/' } })],
      '/spec/volumes/3/hostPath',
    ],
    ...[
      'sts.amazonaws.com',
      'STS.amazonaws.com',
      'pods.eks.amazonaws.com',
      'api://AzureADTokenExchange',
      'sts.googleapis.com',
      '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k',
    ].map((each): Case => [`a token for ${each}`, [add('/spec/volumes/-', tokenFor(each))], at]),
  ]);
  allows('5', [
    ['a token for another audience', [add('/spec/volumes/-', tokenFor('vault'))]],
    ['other volumes', [add('/spec/volumes/-', { name: 'x', secret: { secretName: 'x' } })]],
  ]);

  test('rule 5 refuses a token for the audience that the platform chose', () => {
    const sidecar = { ...platform.sidecar, audience: 'minio' };
    const changes = [add('/spec/volumes/-', tokenFor('minio'))];
    expect(found(changes, { ...platform, sidecar })).toMatchObject([{ rule: '5', path: at }]);
  });
});
