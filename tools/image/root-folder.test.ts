import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { SIDECAR_UID, WEBHOOK_UID } from '../../lib/contract/names.ts';
import { NODE_PATH, PROGRAM_FOLDER } from '../../lib/contract/paths.ts';
import { SMOKE_PROBE_FILE } from '../../lib/contract/smoke-test.ts';
import { LAZY_BUNDLES } from '../build/lazy-bundles.ts';
import { POLICY_BUNDLE } from '../../lib/policy/cedar-bundle.ts';
import { findFileFaults } from './root-folder-check.ts';
import { setFileModes } from './file-modes.ts';
import { writeRootFolder } from './root-folder.ts';

/** Used instead of Node: any dynamically linked program of this machine. */
const LINKED_PROGRAM = '/bin/cat';

let folder: string;
let out: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-image-'));
  out = join(folder, 'out');
  mkdirSync(join(folder, 'dist', 'data', 'actions'), { recursive: true });
  const bundles = [
    'webhook.cjs',
    'authority.cjs',
    'sidecar.cjs',
    ...LAZY_BUNDLES.map(({ file }) => file),
    SMOKE_PROBE_FILE,
    'webhook.cjs.map',
  ];
  for (const name of [...bundles, 'data/actions/s3.json', ...POLICY_BUNDLE.files]) {
    writeFileSync(join(folder, 'dist', name), '{}', { mode: 0o666 });
  }
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const buildTestRoot = (): void => {
  writeRootFolder({
    out,
    nodeBinary: LINKED_PROGRAM,
    dist: join(folder, 'dist'),
    licenses: { [`${PROGRAM_FOLDER}/LICENSE`]: join(folder, 'dist', 'webhook.cjs') },
  });
  setFileModes(out, false);
};

const readMode = (path: string): number => statSync(join(out, path)).mode & 0o7777;

// Only Linux has `ldd`.
(process.platform === 'linux' ? describe : describe.skip)('writeRootFolder', () => {
  it('writes exactly Node, its libraries, the bundles and their data', () => {
    buildTestRoot();
    expect(findFileFaults(out)).toEqual([]);
    expect(readFileSync(join(out, PROGRAM_FOLDER, 'data/actions/s3.json'), 'utf8')).toBe('{}');
    for (const name of POLICY_BUNDLE.files)
      expect(readMode(`${PROGRAM_FOLDER}/${name}`)).toBe(0o444);
  });

  it('makes Node unreadable, and only /tmp writable', () => {
    buildTestRoot();
    expect(readMode(NODE_PATH)).toBe(0o111);
    expect(readMode('/tmp')).toBe(0o1777);
    expect(readMode(`${PROGRAM_FOLDER}/sidecar.cjs`)).toBe(0o444);
  });

  it('defines the users of both programs', () => {
    buildTestRoot();
    const passwd = readFileSync(join(out, 'etc/passwd'), 'utf8');
    expect(passwd).toContain(`valetkey-sidecar:x:${SIDECAR_UID}:`);
    expect(passwd).toContain(`valetkey-webhook:x:${WEBHOOK_UID}:`);
  });

  it('throws if a bundle is missing', () => {
    rmSync(join(folder, 'dist', 'sidecar.cjs'));
    expect(buildTestRoot).toThrow('sidecar.cjs: expected a bundle');
    writeFileSync(join(folder, 'dist', 'sidecar.cjs'), '{}');
    rmSync(join(folder, 'dist', 'sidecar-sts.cjs'));
    expect(buildTestRoot).toThrow('sidecar-sts.cjs: expected a bundle');
  });

  it.each([
    ['a shell', '/bin/sh', 0o555, '/bin/sh: expected a file of the image or a library'],
    ['a source map', `${PROGRAM_FOLDER}/x.map`, 0o444, 'x.map: is a source map'],
    ['a file that others may write', `${PROGRAM_FOLDER}/x.cjs`, 0o666, 'can be written by others'],
    ['a file that changes its user', '/lib/x.so', 0o4555, 'changes its user when run'],
  ])('reports %s', (_, path, mode, fault) => {
    buildTestRoot();
    mkdirSync(join(out, path, '..'), { recursive: true });
    writeFileSync(join(out, path), '');
    chmodSync(join(out, path), mode);
    expect(findFileFaults(out).join('\n')).toContain(fault);
  });

  it('reports a readable Node binary', () => {
    buildTestRoot();
    chmodSync(join(out, NODE_PATH), 0o755);
    expect(findFileFaults(out)).toHaveLength(1);
  });
});
