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
    [
      'a repository that the node fetches',
      [add('/spec/volumes/-', { name: 'git', gitRepo: { repository: 'x' } })],
      '/spec/volumes/3/gitRepo',
    ],
    [
      'a token for the API server, by no audience',
      [
        add('/spec/volumes/-', {
          name: 'mine',
          projected: { sources: [{ serviceAccountToken: { path: 'x' } }] },
        }),
      ],
      '/spec/volumes/3/projected/sources/0/serviceAccountToken/audience',
    ],
    ...[
      'sts.amazonaws.com',
      'STS.amazonaws.com',
      'sts.amazonaws.com.cn',
      'sts.amazonaws.eu',
      'pods.eks.amazonaws.com',
      'pods.eks.amazonaws.com.cn',
      'api://AzureADTokenExchange',
      'api://AzureADTokenExchangeUSGov',
      'project.svc.id.goog',
      'https://kubernetes.default.svc',
      '',
      'sts.googleapis.com',
      '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k',
    ].map((each): Case => [`a token for ${each}`, [add('/spec/volumes/-', tokenFor(each))], at]),
  ]);
  allows('5', [
    ['a token for another audience', [add('/spec/volumes/-', tokenFor('vault'))]],
    ['other volumes', [add('/spec/volumes/-', { name: 'x', secret: { secretName: 'x' } })]],
  ]);

  test('rule 5 refuses a token for an audience that the platform protects', () => {
    const pods = { ...platform.pods, protectedAudiences: ['https://api.cluster.example'] };
    const changes = [add('/spec/volumes/-', tokenFor('https://API.cluster.example'))];
    expect(found(changes, { ...platform, pods })).toMatchObject([{ rule: '5', path: at }]);
    expect(found(changes)).toEqual([]);
  });

  test('rule 5 allows a token for the API server where the platform does', () => {
    const pods = { ...platform.pods, allowApiToken: true };
    for (const audience of ['', 'https://kubernetes.default.svc']) {
      const changes = [add('/spec/volumes/-', tokenFor(audience))];
      expect(found(changes, { ...platform, pods })).toEqual([]);
    }
  });

  test('rule 5 refuses a protected audience under the name of the API token, too', () => {
    const volume = { ...tokenFor('sts.googleapis.com'), name: 'kube-api-access-mine' };
    const broken = found([add('/spec/volumes/-', volume)]).map(({ rule, path }) => [rule, path]);
    expect(broken).toEqual([
      ['2', '/spec/volumes/3'],
      ['5', at],
    ]);
  });

  test('rule 5 refuses a token for the audience that the platform chose', () => {
    const sidecar = { ...platform.sidecar, audience: 'minio' };
    const changes = [add('/spec/volumes/-', tokenFor('minio'))];
    expect(found(changes, { ...platform, sidecar })).toMatchObject([{ rule: '5', path: at }]);
  });
});
