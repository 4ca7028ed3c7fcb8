import { describe } from '@jest/globals';
import { PREPARE, AGENT, add, remove, type Case, refuses, allows } from '../fixtures/cases.ts';

describe('mounts', () => {
  const own = `${AGENT}/volumeMounts/0`;
  const mount = (container: string, name: string, mountPath: string) =>
    add(`${container}/volumeMounts`, [{ name, mountPath, readOnly: true }]);
  refuses('6', [
    [
      'the token elsewhere',
      [mount(PREPARE, 'valetkey-token', '/x')],
      `${PREPARE}/volumeMounts/0/name`,
    ],
    [
      "another's socket",
      [add(`${AGENT}/volumeMounts/-`, { name: 'valetkey-consumer-1', mountPath: '/x' })],
      `${AGENT}/volumeMounts/1/name`,
    ],
    [
      'a socket for no consumer',
      [mount(PREPARE, 'valetkey-consumer-0', '/var/run/valetkey')],
      `${PREPARE}/volumeMounts/0/name`,
    ],
    [
      'its own socket twice',
      [add(`${AGENT}/volumeMounts/-`, { name: 'valetkey-consumer-0', mountPath: '/x' })],
      `${AGENT}/volumeMounts/1/name`,
    ],
    ['writing', [add(`${own}/readOnly`, false)]],
    ['unset readOnly', [remove(`${own}/readOnly`)]],
    ['another path', [add(`${own}/mountPath`, '/sockets')]],
    ['a part', [add(`${own}/subPath`, 'x')]],
    ['a computed part', [add(`${own}/subPathExpr`, '$(X)')]],
    ['propagation', [add(`${own}/mountPropagation`, 'HostToContainer')]],
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
    ].map((path): Case => [
      `a mount at ${path}`,
      [mount(PREPARE, 'mine', path)],
      `${PREPARE}/volumeMounts/0/mountPath`,
    ]),
    [
      'a device',
      [add(`${AGENT}/volumeDevices`, [{ name: 'valetkey-token', devicePath: '/dev/x' }])],
      `${AGENT}/volumeDevices/0/name`,
    ],
    [
      'a variable from a file of ours',
      [
        add(`${PREPARE}/env`, [
          { name: 'X', valueFrom: { fileKeyRef: { volumeName: 'valetkey-token', key: 'x' } } },
        ]),
      ],
      `${PREPARE}/env/0/valueFrom/fileKeyRef/volumeName`,
    ],
    [
      'an ephemeral container with a socket',
      [
        add('/spec/ephemeralContainers', [
          {
            name: 'debug',
            volumeMounts: [{ name: 'valetkey-consumer-0', mountPath: '/var/run/valetkey' }],
          },
        ]),
      ],
      '/spec/ephemeralContainers/0/volumeMounts/0/name',
    ],
  ]);
  allows('6', [
    ['mounts beside ours', [mount(PREPARE, 'mine', '/var/run/valetkeys')]],
    ['the API token where it always is', [mount(PREPARE, 'mine', '/run/secrets/x')]],
    ['no propagation, written out', [add(`${own}/mountPropagation`, 'None')]],
  ]);
});
