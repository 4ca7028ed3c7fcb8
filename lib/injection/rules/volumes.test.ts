import { describe, expect, it } from '@jest/globals';
import {
  addOp,
  PREPARE,
  type RuleCase,
  findViolations,
  expectDenied,
  expectAllowed,
} from '../fixtures/rule-cases.ts';
import { platform } from '../fixtures/sample-platform.ts';
import { isOtherCloudError } from './other-clouds.ts';

const buildTokenSource = (audience: string) => ({
  name: 'mine',
  projected: { sources: [{ configMap: {} }, { serviceAccountToken: { audience, path: 'x' } }] },
});

describe('checkVolumes', () => {
  const at = '/spec/volumes/3/projected/sources/1/serviceAccountToken/audience';
  expectDenied('5', [
    [
      'a folder of the node',
      [addOp('/spec/volumes/-', { name: 'host', hostPath: { path: '/' } })],
      '/spec/volumes/3/hostPath',
    ],
    [
      'a repository that the node fetches',
      [addOp('/spec/volumes/-', { name: 'git', gitRepo: { repository: 'x' } })],
      '/spec/volumes/3/gitRepo',
    ],
    [
      'a token for the API server, by no audience',
      [
        addOp('/spec/volumes/-', {
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
    ].map((each): RuleCase => [
      `a token for ${each}`,
      [addOp('/spec/volumes/-', buildTokenSource(each))],
      at,
    ]),
  ]);
  const certify = (signerName: string) => [
    addOp('/spec/volumes/-', {
      name: 'mine',
      projected: { sources: [{ podCertificate: { signerName, keyType: 'ED25519' } }] },
    }),
  ];
  const API_SIGNER = 'kubernetes.io/kube-apiserver-client-pod';
  expectDenied('5', [
    [
      'a certificate for the API server',
      certify(API_SIGNER),
      '/spec/volumes/3/projected/sources/0/podCertificate/signerName',
    ],
  ]);
  expectAllowed('5', [
    ['a certificate of another signer', certify('spiffe.example/agents')],
    ['a token for another audience', [addOp('/spec/volumes/-', buildTokenSource('vault'))]],
    ['other volumes', [addOp('/spec/volumes/-', { name: 'x', secret: { secretName: 'x' } })]],
  ]);

  it('rule 5 refuses a token for an audience that the platform protects', () => {
    const pods = { ...platform.pods, protectedAudiences: ['https://api.cluster.example'] };
    const changes = [addOp('/spec/volumes/-', buildTokenSource('https://API.cluster.example'))];
    expect(findViolations(changes, { ...platform, pods })).toMatchObject([{ rule: '5', path: at }]);
    expect(findViolations(changes)).toEqual([]);
  });

  it('rule 5 refuses an audience of Google that the platform protects, for its own reason', () => {
    const pods = { ...platform.pods, protectedAudiences: ['sts.googleapis.com'] };
    const changes = [addOp('/spec/volumes/-', buildTokenSource('sts.googleapis.com'))];
    const [own] = findViolations(changes, { ...platform, pods });
    const [other] = findViolations(changes);
    expect([own, other].map((fault) => fault && isOtherCloudError(fault))).toEqual([false, true]);
  });

  it('rule 5 allows a token for the API server if the platform allows it', () => {
    const pods = { ...platform.pods, allowApiToken: true };
    const tokens = ['', 'https://kubernetes.default.svc'].map((audience) => [
      addOp('/spec/volumes/-', buildTokenSource(audience)),
    ]);
    const envFrom = [{ secretRef: { name: 'agent-token-x7wbn' } }];
    for (const changes of [
      ...tokens,
      certify(API_SIGNER),
      [addOp(`${PREPARE}/envFrom`, envFrom)],
    ]) {
      expect(findViolations(changes, { ...platform, pods })).toEqual([]);
    }
  });

  it('rule 5 refuses a protected audience in a volume with the name of the API token, too', () => {
    const volume = { ...buildTokenSource('sts.googleapis.com'), name: 'kube-api-access-mine' };
    const violations = findViolations([addOp('/spec/volumes/-', volume)]).map(({ rule, path }) => [
      rule,
      path,
    ]);
    expect(violations).toEqual([
      ['2', '/spec/volumes/3'],
      ['5', at],
    ]);
  });

  it('rule 5 refuses a token for the audience of the platform', () => {
    const sidecar = { ...platform.sidecar, audience: 'minio' };
    const changes = [addOp('/spec/volumes/-', buildTokenSource('minio'))];
    expect(findViolations(changes, { ...platform, sidecar })).toMatchObject([
      { rule: '5', path: at },
    ]);
  });
});
