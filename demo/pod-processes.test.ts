import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Container, Pod } from '../lib/contract/pod.ts';
import {
  createRoot,
  createVolumes,
  buildProcess,
  getVolumeFolder,
  type ProcessLayout,
} from './pod-processes.ts';

let layout: ProcessLayout;
beforeEach(() => {
  layout = {
    folder: mkdtempSync(join(tmpdir(), 'valetkey-pod-')),
    imagePaths: [['/usr/local/bin/node', '/here/node']],
    ports: new Map([
      [9471, 40_001],
      [9473, 40_003],
    ]),
    fields: { 'status.podIPs': '127.0.0.1' },
  };
});
afterEach(() => {
  rmSync(layout.folder, { recursive: true, force: true });
});

const container: Container = {
  name: 'agent',
  command: ['/usr/local/bin/node', '/usr/local/bin/nodejs'],
  args: ['read a/b'],
  env: [
    { name: 'BELOW', value: '/var/run/valetkey/token' },
    { name: 'ABOVE', value: '/var/run' },
    { name: 'ELSEWHERE', value: '/etc/hosts' },
    { name: 'URL', value: 'http://127.0.0.1:9471/v1/credentials' },
    { name: 'LISTEN', value: ':9471' },
    { name: 'AWS_ENDPOINT_URL', value: 'http://127.0.0.1:9473' },
    { name: 'OTHER', value: 'http://127.0.0.1:94710/' },
    { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIPs' } } },
  ],
  volumeMounts: [{ name: 'v', mountPath: '/var/run/valetkey' }],
};
const pod: Pod = { spec: { containers: [container], volumes: [{ name: 'v' }] } };

describe('a container as a process', () => {
  it('keeps its command, with the paths of the image moved', () => {
    const { command } = buildProcess(layout, container);
    expect(command).toEqual(['/here/node', '/usr/local/bin/nodejs', 'read a/b']);
  });

  it('has its own environment and no variable of the parent process', () => {
    const root = join(layout.folder, 'roots', 'agent');
    const home = join(layout.folder, 'home', 'agent');
    expect(buildProcess(layout, container).env).toEqual({
      HOME: home,
      TMPDIR: home,
      BELOW: join(root, 'var/run/valetkey/token'),
      ABOVE: join(root, 'var/run'),
      ELSEWHERE: '/etc/hosts',
      URL: 'http://127.0.0.1:40001/v1/credentials',
      LISTEN: ':40001',
      AWS_ENDPOINT_URL: 'http://127.0.0.1:40003',
      OTHER: 'http://127.0.0.1:94710/',
      IP: '127.0.0.1',
    });
  });

  it('sees a volume as a folder', () => {
    createVolumes(layout, pod);
    createRoot(layout, container);
    writeFileSync(join(getVolumeFolder(layout, 'v'), 'token'), 'x');
    expect(existsSync(buildProcess(layout, container).env['BELOW'] ?? '')).toBe(true);
  });

  it('is refused where a value comes from a source that the demo does not know', () => {
    const secret = { name: 'S', valueFrom: { secretKeyRef: { name: 's' } } };
    expect(() => buildProcess(layout, { ...container, env: [secret] })).toThrow(/^S: /);
  });
});
