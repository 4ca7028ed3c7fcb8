import { describe } from '@jest/globals';
import { PREPARE, AGENT, HELPER, add, remove, refuses, allows } from '../fixtures/cases.ts';

describe('every other container', () => {
  const context = `${AGENT}/securityContext`;
  refuses('4', [
    ['privilege', [add(`${context}/privileged`, true)]],
    ['escalation', [add(`${context}/allowPrivilegeEscalation`, true)]],
    ['unset escalation', [remove(`${context}/allowPrivilegeEscalation`)]],
    ['the root user', [add(`${context}/runAsUser`, 0)]],
    ["the pod's root user", [add('/spec/securityContext/runAsUser', 0)]],
    [
      'an image that may be root',
      [remove('/spec/securityContext/runAsNonRoot')],
      `${context}/runAsNonRoot`,
    ],
    ['a wish to be root', [add(`${context}/runAsNonRoot`, false)]],
    ['our user', [add(`${context}/runAsUser`, 64871)]],
    ['our group', [add(`${context}/runAsGroup`, 64871)]],
    ['capabilities kept', [add(`${context}/capabilities`, {})], `${context}/capabilities/drop`],
    ['only some dropped', [add(`${context}/capabilities/drop`, ['NET_RAW'])]],
    [
      'a capability',
      [add(`${context}/capabilities/add`, ['NET_RAW'])],
      `${context}/capabilities/add/0`,
    ],
    ['an open proc', [add(`${context}/procMount`, 'Unmasked')]],
    ['no seccomp', [add(`${context}/seccompProfile/type`, 'Unconfined')]],
    ['unset seccomp', [remove(`${context}/seccompProfile`)], `${context}/seccompProfile/type`],
    [
      'no AppArmor',
      [add(`${context}/appArmorProfile`, { type: 'Unconfined' })],
      `${context}/appArmorProfile/type`,
    ],
    [
      'no AppArmor for the pod',
      [add('/spec/securityContext/appArmorProfile', { type: 'Unconfined' })],
      '/spec/securityContext/appArmorProfile/type',
    ],
    [
      'no AppArmor by annotation',
      [
        add(
          '/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1agent',
          'unconfined',
        ),
      ],
    ],
    ['it in an init container', [add(`${PREPARE}/securityContext/privileged`, true)]],
    [
      'it in an ephemeral container',
      [
        add('/spec/ephemeralContainers', [
          { name: 'debug', securityContext: { privileged: true } },
        ]),
      ],
      '/spec/ephemeralContainers/0/securityContext/privileged',
    ],
    [
      'it in an ignored container',
      [add('/spec/containers/-', { name: 'istio-proxy' })],
      '/spec/containers/2/securityContext/allowPrivilegeEscalation',
    ],
  ]);
  allows('4', [
    [
      'a user instead of runAsNonRoot',
      [
        remove('/spec/securityContext/runAsNonRoot'),
        ...[PREPARE, AGENT, HELPER].map((at) => add(`${at}/securityContext/runAsUser`, 1000)),
      ],
    ],
    ['binding low ports', [add(`${context}/capabilities/add`, ['NET_BIND_SERVICE'])]],
    ['a seccomp profile of its own', [add(`${context}/seccompProfile`, { type: 'Localhost' })]],
    [
      "the pod's seccomp profile",
      [
        remove(`${context}/seccompProfile`),
        add('/spec/securityContext/seccompProfile', { type: 'RuntimeDefault' }),
      ],
    ],
    ['the default proc', [add(`${context}/procMount`, 'Default')]],
  ]);
});
