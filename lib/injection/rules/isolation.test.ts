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
  ]);
  allows('3', [
    ['false', [add('/spec/hostPID', false), add('/spec/shareProcessNamespace', false)]],
    ['Linux', [add('/spec/os', { name: 'linux' })]],
    ['other ids', [add('/spec/securityContext/fsGroup', 1000)]],
    ['another name of its own', [add('/spec/hostnameOverride', 'agent.example')]],
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
});
