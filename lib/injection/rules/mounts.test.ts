import { describe } from '@jest/globals';
import {
  PREPARE,
  AGENT,
  addOp,
  removeOp,
  type RuleCase,
  expectDenied,
  expectAllowed,
} from '../fixtures/rule-cases.ts';

describe('checkMounts', () => {
  const own = `${AGENT}/volumeMounts/0`;
  const mount = (container: string, name: string, mountPath: string) =>
    addOp(`${container}/volumeMounts`, [{ name, mountPath, readOnly: true }]);
  expectDenied('6', [
    [
      'the token volume at another path',
      [mount(PREPARE, 'valetkey-token', '/x')],
      `${PREPARE}/volumeMounts/0/name`,
    ],
    [
      "another's socket",
      [addOp(`${AGENT}/volumeMounts/-`, { name: 'valetkey-consumer-1', mountPath: '/x' })],
      `${AGENT}/volumeMounts/1/name`,
    ],
    [
      'a socket in a container that is not a consumer',
      [mount(PREPARE, 'valetkey-consumer-0', '/var/run/valetkey')],
      `${PREPARE}/volumeMounts/0/name`,
    ],
    [
      'its own socket twice',
      [addOp(`${AGENT}/volumeMounts/-`, { name: 'valetkey-consumer-0', mountPath: '/x' })],
      `${AGENT}/volumeMounts/1/name`,
    ],
    ['a writable mount', [addOp(`${own}/readOnly`, false)]],
    ['unset readOnly', [removeOp(`${own}/readOnly`)]],
    ['another path', [addOp(`${own}/mountPath`, '/sockets')]],
    ['a subPath', [addOp(`${own}/subPath`, 'x')]],
    ['a subPathExpr', [addOp(`${own}/subPathExpr`, '$(X)')]],
    ['propagation', [addOp(`${own}/mountPropagation`, 'HostToContainer')]],
    ...[
      '/var/run/valetkey',
      '/var/run/valetkey/',
      '/run/valetkey/agent',
      '/run',
      '/var/run',
      '//var/./run/x/../valetkey',
      '/var',
      '/',
      'var/run/valetkey',
    ].map((path): RuleCase => [
      `a mount at ${path}`,
      [mount(PREPARE, 'mine', path)],
      `${PREPARE}/volumeMounts/0/mountPath`,
    ]),
    [
      'a device',
      [addOp(`${AGENT}/volumeDevices`, [{ name: 'valetkey-token', devicePath: '/dev/x' }])],
      `${AGENT}/volumeDevices/0/name`,
    ],
    [
      'a variable from a file in a reserved volume',
      [
        addOp(`${PREPARE}/env`, [
          { name: 'X', valueFrom: { fileKeyRef: { volumeName: 'valetkey-token', key: 'x' } } },
        ]),
      ],
      `${PREPARE}/env/0/valueFrom/fileKeyRef/volumeName`,
    ],
    [
      'an ephemeral container with a socket',
      [
        addOp('/spec/ephemeralContainers', [
          {
            name: 'debug',
            volumeMounts: [{ name: 'valetkey-consumer-0', mountPath: '/var/run/valetkey' }],
          },
        ]),
      ],
      '/spec/ephemeralContainers/0/volumeMounts/0/name',
    ],
  ]);
  expectAllowed('6', [
    ['mounts next to the socket directory', [mount(PREPARE, 'mine', '/var/run/valetkeys')]],
    ['a mount under /run/secrets', [mount(PREPARE, 'mine', '/run/secrets/x')]],
    ['explicit mount propagation None', [addOp(`${own}/mountPropagation`, 'None')]],
  ]);
});
