import { describe, expect, it } from '@jest/globals';
import type { Pod } from '../../contract/pod.ts';
import {
  AGENT,
  addOp,
  findViolations,
  expectDenied,
  expectAllowed,
} from '../fixtures/rule-cases.ts';
import { injectPod } from '../fixtures/injected-pods.ts';
import { authorityPlatform, platform } from '../fixtures/sample-platform.ts';
import { applyPatch } from '../json-patch.ts';
import { evaluateRules } from './rule-evaluation.ts';

describe('checkIsolation', () => {
  expectDenied('3', [
    ['hostPID', [addOp('/spec/hostPID', true)]],
    ['hostIPC', [addOp('/spec/hostIPC', true)]],
    ['hostNetwork', [addOp('/spec/hostNetwork', true)]],
    ['shareProcessNamespace', [addOp('/spec/shareProcessNamespace', true)]],
    ['Windows', [addOp('/spec/os', { name: 'windows' })], '/spec/os/name'],
    ['options for Windows', [addOp('/spec/securityContext/windowsOptions', {})]],
    ['options for Windows in a container', [addOp(`${AGENT}/securityContext/windowsOptions`, {})]],
    ['the UID of the sidecar', [addOp('/spec/securityContext/runAsUser', 64871)]],
    ['the GID of the sidecar', [addOp('/spec/securityContext/runAsGroup', 64871)]],
    ['the GID of the sidecar on files', [addOp('/spec/securityContext/fsGroup', 64871)]],
    [
      'the GID of the sidecar among others',
      [addOp('/spec/securityContext/supplementalGroups', [1, 64871])],
      '/spec/securityContext/supplementalGroups/1',
    ],
    [
      'an alias for STS',
      [addOp('/spec/hostAliases', [{ ip: '10.0.0.1', hostnames: ['x', 'STS.amazonaws.com.'] }])],
      '/spec/hostAliases/0/hostnames/1',
    ],
    ['a hostname of the cloud', [addOp('/spec/hostnameOverride', 'sts.amazonaws.com')]],
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
    ['another hostnameOverride', [addOp('/spec/hostnameOverride', 'agent.example')]],
    ['a hostname', [addOp('/spec/hostname', 'agent')]],
    ['a node of Linux', [addOp('/spec/nodeSelector', { 'kubernetes.io/os': 'linux', pool: 'a' })]],
    [
      'safe sysctls',
      [
        addOp('/spec/securityContext/sysctls', [
          { name: 'net.ipv4.ping_group_range', value: '0 1' },
        ]),
      ],
    ],
    [
      'custom name servers, because TLS verifies the host name of the cloud',
      [
        addOp('/spec/dnsPolicy', 'None'),
        addOp('/spec/dnsConfig', { nameservers: ['203.0.113.1'], searches: ['example'] }),
      ],
    ],
    ['other aliases', [addOp('/spec/hostAliases', [{ hostnames: ['db', 'notamazonaws.com'] }])]],
  ]);

  it('rule 3 refuses an alias for the authority', () => {
    const aliases = [
      addOp('/spec/hostAliases', [{ hostnames: ['valetkey-authority.valetkey.svc'] }]),
    ];
    expect(findViolations(aliases, authorityPlatform)).toMatchObject([{ rule: '3' }]);
    expect(findViolations(aliases, platform)).toEqual([]);
  });

  it("rule 3 refuses an alias for a private cloud's endpoint", () => {
    const cloud = { ...platform.cloud, stsEndpoint: 'https://rgw.example:7480' };
    const aliases = [addOp('/spec/hostAliases', [{ hostnames: ['rgw.example'] }])];
    expect(findViolations(aliases, { ...platform, cloud })).toMatchObject([{ rule: '3' }]);
  });

  it('rule 3 refuses a hostname and subdomain that name a private cloud in the cluster', () => {
    const stsEndpoint = 'https://minio-0.minio.storage.svc.cluster.local:9000';
    const settings = { ...platform, cloud: { ...platform.cloud, stsEndpoint } };
    const findIn = (namespace: string, hostname: string) => {
      const names = [addOp('/spec/hostname', hostname), addOp('/spec/subdomain', 'minio')];
      const pod = applyPatch(injectPod({ platform: settings }), names) as Pod;
      const context = {
        platform: settings,
        templates: new Map(),
        phase: 'CREATE',
        tasks: [],
      } as const;
      return evaluateRules(pod, { ...context, namespace }, (id) => id === '3');
    };
    expect(findIn('storage', 'minio-0')).toEqual([
      {
        rule: '3',
        path: '/spec/subdomain',
        expected: 'no host name of the authority or the cloud',
        got: '"minio-0.minio.storage.svc"',
      },
    ]);
    expect(findIn('research', 'minio-0')).toEqual([]);
    expect(findIn('storage', 'minio-1')).toEqual([]);
  });

  describe('if the token is exchanged over HTTP', () => {
    const cloud = { ...platform.cloud, stsEndpoint: 'http://rgw:7480', allowHttp: true };
    const plain = { ...platform, cloud };

    it.each([
      ['/spec/dnsPolicy', [addOp('/spec/dnsPolicy', 'None')]],
      ['/spec/dnsConfig/nameservers', [addOp('/spec/dnsConfig', { nameservers: ['203.0.113.1'] })]],
      ['/spec/dnsConfig/searches', [addOp('/spec/dnsConfig', { searches: ['evil.example'] })]],
      ['/spec/hostname', [addOp('/spec/hostname', 'rgw')]],
    ])('rule 3 refuses custom DNS: %s', (path, changes) => {
      expect(findViolations(changes, plain)).toMatchObject([{ rule: '3', path }]);
    });

    it.each([
      [[addOp('/spec/dnsPolicy', 'ClusterFirst')]],
      [[addOp('/spec/dnsConfig', { options: [{ name: 'ndots', value: '2' }] })]],
    ])('rule 3 allows the DNS of the cluster', (changes) => {
      expect(findViolations(changes, plain)).toEqual([]);
    });

    it('rule 3 allows custom DNS under trust: authority, because sidecars use HTTPS', () => {
      const settings = { ...authorityPlatform, cloud };
      expect(findViolations([addOp('/spec/dnsPolicy', 'None')], settings)).toEqual([]);
    });
  });
});
