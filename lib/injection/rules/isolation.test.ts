import { describe, expect, test } from '@jest/globals';
import { AGENT, add, found, refuses, allows } from '../fixtures/cases.ts';
import { authorityPlatform, platform } from '../fixtures/platform.ts';

describe('the pod as a whole', () => {
  refuses('3', [
    ['hostPID', [add('/spec/hostPID', true)]],
    ['hostIPC', [add('/spec/hostIPC', true)]],
    ['hostNetwork', [add('/spec/hostNetwork', true)]],
    ['shareProcessNamespace', [add('/spec/shareProcessNamespace', true)]],
    ['Windows', [add('/spec/os', { name: 'windows' })], '/spec/os/name'],
    ['options for Windows', [add('/spec/securityContext/windowsOptions', {})]],
    ['them on a container', [add(`${AGENT}/securityContext/windowsOptions`, {})]],
    ['our user', [add('/spec/securityContext/runAsUser', 64871)]],
    ['our group', [add('/spec/securityContext/runAsGroup', 64871)]],
    ['our group on files', [add('/spec/securityContext/fsGroup', 64871)]],
    [
      'our group among others',
      [add('/spec/securityContext/supplementalGroups', [1, 64871])],
      '/spec/securityContext/supplementalGroups/1',
    ],
    [
      'an alias for STS',
      [add('/spec/hostAliases', [{ ip: '10.0.0.1', hostnames: ['x', 'STS.amazonaws.com.'] }])],
      '/spec/hostAliases/0/hostnames/1',
    ],
    ["a name of its own that is the cloud's", [add('/spec/hostnameOverride', 'sts.amazonaws.com')]],
    [
      'an alias in another partition',
      [add('/spec/hostAliases', [{ hostnames: ['sts.eu.amazonaws.eu'] }])],
      '/spec/hostAliases/0/hostnames/0',
    ],
    [
      'a node of Windows',
      [add('/spec/nodeSelector', { 'kubernetes.io/os': 'windows' })],
      '/spec/nodeSelector/kubernetes.io~1os',
    ],
    [
      'a sysctl that opens loopback to the network',
      [
        add('/spec/securityContext/sysctls', [
          { name: 'net.ipv4.tcp_syncookies', value: '1' },
          { name: 'net.ipv4.conf.all.route_localnet', value: '1' },
        ]),
      ],
      '/spec/securityContext/sysctls/1/name',
    ],
  ]);
  allows('3', [
    ['false', [add('/spec/hostPID', false), add('/spec/shareProcessNamespace', false)]],
    ['Linux', [add('/spec/os', { name: 'linux' })]],
    ['other ids', [add('/spec/securityContext/fsGroup', 1000)]],
    ['another name of its own', [add('/spec/hostnameOverride', 'agent.example')]],
    ['a hostname', [add('/spec/hostname', 'agent')]],
    ['a node of Linux', [add('/spec/nodeSelector', { 'kubernetes.io/os': 'linux', pool: 'a' })]],
    [
      'sysctls of its own',
      [add('/spec/securityContext/sysctls', [{ name: 'net.ipv4.ping_group_range', value: '0 1' }])],
    ],
    [
      'name servers of its own, since TLS holds the cloud to its name',
      [
        add('/spec/dnsPolicy', 'None'),
        add('/spec/dnsConfig', { nameservers: ['203.0.113.1'], searches: ['example'] }),
      ],
    ],
    ['other aliases', [add('/spec/hostAliases', [{ hostnames: ['db', 'notamazonaws.com'] }])]],
  ]);

  test('rule 3 refuses an alias for the authority', () => {
    const aliases = [
      add('/spec/hostAliases', [{ hostnames: ['valetkey-authority.valetkey.svc'] }]),
    ];
    expect(found(aliases, authorityPlatform)).toMatchObject([{ rule: '3' }]);
    expect(found(aliases, platform)).toEqual([]);
  });

  test("rule 3 refuses an alias for a private cloud's endpoint", () => {
    const cloud = { ...platform.cloud, stsEndpoint: 'https://rgw.example:7480' };
    const aliases = [add('/spec/hostAliases', [{ hostnames: ['rgw.example'] }])];
    expect(found(aliases, { ...platform, cloud })).toMatchObject([{ rule: '3' }]);
  });

  describe('where the token is traded by http', () => {
    const cloud = { ...platform.cloud, stsEndpoint: 'http://rgw:7480', allowHttp: true };
    const plain = { ...platform, cloud };

    test.each([
      ['/spec/dnsPolicy', [add('/spec/dnsPolicy', 'None')]],
      ['/spec/dnsConfig/nameservers', [add('/spec/dnsConfig', { nameservers: ['203.0.113.1'] })]],
      ['/spec/dnsConfig/searches', [add('/spec/dnsConfig', { searches: ['evil.example'] })]],
      ['/spec/hostname', [add('/spec/hostname', 'rgw')]],
    ])('rule 3 refuses another resolution of names: %s', (path, changes) => {
      expect(found(changes, plain)).toMatchObject([{ rule: '3', path }]);
    });

    test.each([
      [[add('/spec/dnsPolicy', 'ClusterFirst')]],
      [[add('/spec/dnsConfig', { options: [{ name: 'ndots', value: '2' }] })]],
    ])('rule 3 allows what resolves as the cluster does', (changes) => {
      expect(found(changes, plain)).toEqual([]);
    });

    test('under trust: authority nothing is: sidecars ask the authority, by https', () => {
      const settings = { ...authorityPlatform, cloud };
      expect(found([add('/spec/dnsPolicy', 'None')], settings)).toEqual([]);
    });
  });
});
