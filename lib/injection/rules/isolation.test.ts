import { describe, expect, test } from '@jest/globals';
import {
  AGENT,
  addOp,
  findViolations,
  expectDenied,
  expectAllowed,
} from '../fixtures/rule-cases.ts';
import { authorityPlatform, platform } from '../fixtures/sample-platform.ts';

describe('the pod as a whole', () => {
  expectDenied('3', [
    ['hostPID', [addOp('/spec/hostPID', true)]],
    ['hostIPC', [addOp('/spec/hostIPC', true)]],
    ['hostNetwork', [addOp('/spec/hostNetwork', true)]],
    ['shareProcessNamespace', [addOp('/spec/shareProcessNamespace', true)]],
    ['Windows', [addOp('/spec/os', { name: 'windows' })], '/spec/os/name'],
    ['options for Windows', [addOp('/spec/securityContext/windowsOptions', {})]],
    ['them on a container', [addOp(`${AGENT}/securityContext/windowsOptions`, {})]],
    ['our user', [addOp('/spec/securityContext/runAsUser', 64871)]],
    ['our group', [addOp('/spec/securityContext/runAsGroup', 64871)]],
    ['our group on files', [addOp('/spec/securityContext/fsGroup', 64871)]],
    [
      'our group among others',
      [addOp('/spec/securityContext/supplementalGroups', [1, 64871])],
      '/spec/securityContext/supplementalGroups/1',
    ],
    [
      'an alias for STS',
      [addOp('/spec/hostAliases', [{ ip: '10.0.0.1', hostnames: ['x', 'STS.amazonaws.com.'] }])],
      '/spec/hostAliases/0/hostnames/1',
    ],
    [
      "a name of its own that is the cloud's",
      [addOp('/spec/hostnameOverride', 'sts.amazonaws.com')],
    ],
    [
      'an alias in another partition',
      [addOp('/spec/hostAliases', [{ hostnames: ['sts.eu.amazonaws.eu'] }])],
      '/spec/hostAliases/0/hostnames/0',
    ],
    [
      'a node of Windows',
      [addOp('/spec/nodeSelector', { 'kubernetes.io/os': 'windows' })],
      '/spec/nodeSelector/kubernetes.io~1os',
    ],
    [
      'a sysctl that opens loopback to the network',
      [
        addOp('/spec/securityContext/sysctls', [
          { name: 'net.ipv4.tcp_syncookies', value: '1' },
          { name: 'net.ipv4.conf.all.route_localnet', value: '1' },
        ]),
      ],
      '/spec/securityContext/sysctls/1/name',
    ],
  ]);
  expectAllowed('3', [
    ['false', [addOp('/spec/hostPID', false), addOp('/spec/shareProcessNamespace', false)]],
    ['Linux', [addOp('/spec/os', { name: 'linux' })]],
    ['other ids', [addOp('/spec/securityContext/fsGroup', 1000)]],
    ['another name of its own', [addOp('/spec/hostnameOverride', 'agent.example')]],
    ['a hostname', [addOp('/spec/hostname', 'agent')]],
    ['a node of Linux', [addOp('/spec/nodeSelector', { 'kubernetes.io/os': 'linux', pool: 'a' })]],
    [
      'sysctls of its own',
      [
        addOp('/spec/securityContext/sysctls', [
          { name: 'net.ipv4.ping_group_range', value: '0 1' },
        ]),
      ],
    ],
    [
      'name servers of its own, since TLS holds the cloud to its name',
      [
        addOp('/spec/dnsPolicy', 'None'),
        addOp('/spec/dnsConfig', { nameservers: ['203.0.113.1'], searches: ['example'] }),
      ],
    ],
    ['other aliases', [addOp('/spec/hostAliases', [{ hostnames: ['db', 'notamazonaws.com'] }])]],
  ]);

  test('rule 3 refuses an alias for the authority', () => {
    const aliases = [
      addOp('/spec/hostAliases', [{ hostnames: ['valetkey-authority.valetkey.svc'] }]),
    ];
    expect(findViolations(aliases, authorityPlatform)).toMatchObject([{ rule: '3' }]);
    expect(findViolations(aliases, platform)).toEqual([]);
  });

  test("rule 3 refuses an alias for a private cloud's endpoint", () => {
    const cloud = { ...platform.cloud, stsEndpoint: 'https://rgw.example:7480' };
    const aliases = [addOp('/spec/hostAliases', [{ hostnames: ['rgw.example'] }])];
    expect(findViolations(aliases, { ...platform, cloud })).toMatchObject([{ rule: '3' }]);
  });

  describe('where the token is traded by http', () => {
    const cloud = { ...platform.cloud, stsEndpoint: 'http://rgw:7480', allowHttp: true };
    const plain = { ...platform, cloud };

    test.each([
      ['/spec/dnsPolicy', [addOp('/spec/dnsPolicy', 'None')]],
      ['/spec/dnsConfig/nameservers', [addOp('/spec/dnsConfig', { nameservers: ['203.0.113.1'] })]],
      ['/spec/dnsConfig/searches', [addOp('/spec/dnsConfig', { searches: ['evil.example'] })]],
      ['/spec/hostname', [addOp('/spec/hostname', 'rgw')]],
    ])('rule 3 refuses another resolution of names: %s', (path, changes) => {
      expect(findViolations(changes, plain)).toMatchObject([{ rule: '3', path }]);
    });

    test.each([
      [[addOp('/spec/dnsPolicy', 'ClusterFirst')]],
      [[addOp('/spec/dnsConfig', { options: [{ name: 'ndots', value: '2' }] })]],
    ])('rule 3 allows what resolves as the cluster does', (changes) => {
      expect(findViolations(changes, plain)).toEqual([]);
    });

    test('under trust: authority nothing is: sidecars ask the authority, by https', () => {
      const settings = { ...authorityPlatform, cloud };
      expect(findViolations([addOp('/spec/dnsPolicy', 'None')], settings)).toEqual([]);
    });
  });
});
