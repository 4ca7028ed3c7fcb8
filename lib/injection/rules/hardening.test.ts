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

describe('checkHardening', () => {
  const context = `${AGENT}/securityContext`;
  expectDenied('4', [
    ['privileged: true', [addOp(`${context}/privileged`, true)]],
    ['privilege escalation', [addOp(`${context}/allowPrivilegeEscalation`, true)]],
    ['unset allowPrivilegeEscalation', [removeOp(`${context}/allowPrivilegeEscalation`)]],
    ['the root user', [addOp(`${context}/runAsUser`, 0)]],
    ["the pod's root user", [addOp('/spec/securityContext/runAsUser', 0)]],
    [
      'an image that may run as root',
      [removeOp('/spec/securityContext/runAsNonRoot')],
      `${context}/runAsNonRoot`,
    ],
    ['runAsNonRoot: false', [addOp(`${context}/runAsNonRoot`, false)]],
    ['the UID of the sidecar', [addOp(`${context}/runAsUser`, 64871)]],
    ['the GID of the sidecar', [addOp(`${context}/runAsGroup`, 64871)]],
    [
      'no dropped capabilities',
      [addOp(`${context}/capabilities`, {})],
      `${context}/capabilities/drop`,
    ],
    ['only some capabilities dropped', [addOp(`${context}/capabilities/drop`, ['NET_RAW'])]],
    [
      'a capability',
      [addOp(`${context}/capabilities/add`, ['NET_RAW'])],
      `${context}/capabilities/add/0`,
    ],
    ['procMount: Unmasked', [addOp(`${context}/procMount`, 'Unmasked')]],
    ['seccomp Unconfined', [addOp(`${context}/seccompProfile/type`, 'Unconfined')]],
    ['unset seccomp', [removeOp(`${context}/seccompProfile`)], `${context}/seccompProfile/type`],
    [
      'AppArmor Unconfined',
      [addOp(`${context}/appArmorProfile`, { type: 'Unconfined' })],
      `${context}/appArmorProfile/type`,
    ],
    [
      'AppArmor Unconfined for the pod',
      [addOp('/spec/securityContext/appArmorProfile', { type: 'Unconfined' })],
      '/spec/securityContext/appArmorProfile/type',
    ],
    [
      'AppArmor Unconfined by annotation',
      [
        addOp(
          '/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1agent',
          'unconfined',
        ),
      ],
    ],
    [
      'privileged: true in an init container',
      [addOp(`${PREPARE}/securityContext/privileged`, true)],
    ],
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
    ['NET_BIND_SERVICE', [addOp(`${context}/capabilities/add`, ['NET_BIND_SERVICE'])]],
    [
      'a seccomp profile of the container',
      [addOp(`${context}/seccompProfile`, { type: 'Localhost' })],
    ],
    [
      "the pod's seccomp profile",
      [
        removeOp(`${context}/seccompProfile`),
        addOp('/spec/securityContext/seccompProfile', { type: 'RuntimeDefault' }),
      ],
    ],
    ['procMount: Default', [addOp(`${context}/procMount`, 'Default')]],
  ]);
});
