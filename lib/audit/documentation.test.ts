import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

import { AUDIT_FAULTS, AUDIT_NOTES } from './findings.ts';
import { MEANINGS } from './ocsf.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/audit.md'), 'utf8');
const rows = page.split('\n').map((row) => row.replace(/ +/g, ' '));
const rowsOf = (keys: readonly string[]): readonly string[] =>
  rows
    .flatMap((row) => /^\| `([\w.]+)` \|/.exec(row)?.[1] ?? [])
    .filter((key) => keys.includes(key));

test('docs/audit.md lists every kind of record as it is written', () => {
  const expected = Object.entries(MEANINGS).map(
    ([kind, { class_uid, activity_name, severity_id, status_id }]) =>
      `| \`${kind}\` | ${class_uid} | ${activity_name} | ${severity_id} | ${status_id} |`,
  );
  expect(rows).toEqual(expect.arrayContaining(expected));
  expect(rowsOf(Object.keys(MEANINGS))).toHaveLength(expected.length);
});

test('docs/audit.md says what every finding means', () => {
  const findings = Object.entries({ ...AUDIT_FAULTS, ...AUDIT_NOTES });
  const expected = findings.map(([code, meaning]) => `| \`${code}\` | ${meaning} |`);
  expect(rows).toEqual(expect.arrayContaining(expected));
});
