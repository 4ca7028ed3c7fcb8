import { describe } from '@jest/globals';
import {
  PREPARE,
  AGENT,
  HELPER,
  addOp,
  removeOp,
  expectDenied,
  expectAllowed,
} from '../fixtures/rule-cases.ts';

describe('every other container', () => {
  const context = `${AGENT}/securityContext`;
  expectDenied('4', [
    ['privilege', [addOp(`${context}/privileged`, true)]],
    ['escalation', [addOp(`${context}/allowPrivilegeEscalation`, true)]],
    ['unset escalation', [removeOp(`${context}/allowPrivilegeEscalation`)]],
    ['the root user', [addOp(`${context}/runAsUser`, 0)]],
    ["the pod's root user", [addOp('/spec/securityContext/runAsUser', 0)]],
    [
      'an image that may be root',
      [removeOp('/spec/securityContext/runAsNonRoot')],
      `${context}/runAsNonRoot`,
    ],
    ['a wish to be root', [addOp(`${context}/runAsNonRoot`, false)]],
    ['our user', [addOp(`${context}/runAsUser`, 64871)]],
    ['our group', [addOp(`${context}/runAsGroup`, 64871)]],
    ['capabilities kept', [addOp(`${context}/capabilities`, {})], `${context}/capabilities/drop`],
    ['only some dropped', [addOp(`${context}/capabilities/drop`, ['NET_RAW'])]],
    [
      'a capability',
      [addOp(`${context}/capabilities/add`, ['NET_RAW'])],
      `${context}/capabilities/add/0`,
    ],
    ['an open proc', [addOp(`${context}/procMount`, 'Unmasked')]],
    ['no seccomp', [addOp(`${context}/seccompProfile/type`, 'Unconfined')]],
    ['unset seccomp', [removeOp(`${context}/seccompProfile`)], `${context}/seccompProfile/type`],
    [
      'no AppArmor',
      [addOp(`${context}/appArmorProfile`, { type: 'Unconfined' })],
      `${context}/appArmorProfile/type`,
    ],
    [
      'no AppArmor for the pod',
      [addOp('/spec/securityContext/appArmorProfile', { type: 'Unconfined' })],
      '/spec/securityContext/appArmorProfile/type',
    ],
    [
      'no AppArmor by annotation',
      [
        addOp(
          '/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1agent',
          'unconfined',
        ),
      ],
    ],
    ['it in an init container', [addOp(`${PREPARE}/securityContext/privileged`, true)]],
    [
      'it in an ephemeral container',
      [
        addOp('/spec/ephemeralContainers', [
          { name: 'debug', securityContext: { privileged: true } },
        ]),
      ],
      '/spec/ephemeralContainers/0/securityContext/privileged',
    ],
    [
      'it in an ignored container',
      [addOp('/spec/containers/-', { name: 'istio-proxy' })],
      '/spec/containers/2/securityContext/allowPrivilegeEscalation',
    ],
  ]);
  expectAllowed('4', [
    [
      'a user instead of runAsNonRoot',
      [
        removeOp('/spec/securityContext/runAsNonRoot'),
        ...[PREPARE, AGENT, HELPER].map((at) => addOp(`${at}/securityContext/runAsUser`, 1000)),
      ],
    ],
    ['binding low ports', [addOp(`${context}/capabilities/add`, ['NET_BIND_SERVICE'])]],
    ['a seccomp profile of its own', [addOp(`${context}/seccompProfile`, { type: 'Localhost' })]],
    [
      "the pod's seccomp profile",
      [
        removeOp(`${context}/seccompProfile`),
        addOp('/spec/securityContext/seccompProfile', { type: 'RuntimeDefault' }),
      ],
    ],
    ['the default proc', [addOp(`${context}/procMount`, 'Default')]],
  ]);
});
