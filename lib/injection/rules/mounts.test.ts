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

describe('mounts', () => {
  const own = `${AGENT}/volumeMounts/0`;
  const mount = (container: string, name: string, mountPath: string) =>
    addOp(`${container}/volumeMounts`, [{ name, mountPath, readOnly: true }]);
  expectDenied('6', [
    [
      'the token elsewhere',
      [mount(PREPARE, 'valetkey-token', '/x')],
      `${PREPARE}/volumeMounts/0/name`,
    ],
    [
      "another's socket",
      [addOp(`${AGENT}/volumeMounts/-`, { name: 'valetkey-consumer-1', mountPath: '/x' })],
      `${AGENT}/volumeMounts/1/name`,
    ],
    [
      'a socket for no consumer',
      [mount(PREPARE, 'valetkey-consumer-0', '/var/run/valetkey')],
      `${PREPARE}/volumeMounts/0/name`,
    ],
    [
      'its own socket twice',
      [addOp(`${AGENT}/volumeMounts/-`, { name: 'valetkey-consumer-0', mountPath: '/x' })],
      `${AGENT}/volumeMounts/1/name`,
    ],
    ['writing', [addOp(`${own}/readOnly`, false)]],
    ['unset readOnly', [removeOp(`${own}/readOnly`)]],
    ['another path', [addOp(`${own}/mountPath`, '/sockets')]],
    ['a part', [addOp(`${own}/subPath`, 'x')]],
    ['a computed part', [addOp(`${own}/subPathExpr`, '$(X)')]],
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
      'a variable from a file of ours',
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
    ['mounts beside ours', [mount(PREPARE, 'mine', '/var/run/valetkeys')]],
    ['the API token where it always is', [mount(PREPARE, 'mine', '/run/secrets/x')]],
    ['no propagation, written out', [addOp(`${own}/mountPropagation`, 'None')]],
  ]);
});
