import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';

import { AUDIT_FAULTS, AUDIT_NOTES, AUDIT_UNVERIFIED } from './audit-findings.ts';
import { OCSF_CLASSES } from './ocsf.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/audit.md'), 'utf8');
const rows = page.split('\n').map((row) => row.replace(/ +/g, ' '));
const buildRows = (keys: readonly string[]): readonly string[] =>
  rows
    .flatMap((row) => /^\| `([\w.]+)` \|/.exec(row)?.[1] ?? [])
    .filter((key) => keys.includes(key));

it('docs/audit.md lists every record kind', () => {
  const expected = Object.entries(OCSF_CLASSES).map(
    ([kind, { class_uid, activity_name, severity_id, status_id }]) =>
      `| \`${kind}\` | ${class_uid} | ${activity_name} | ${severity_id} | ${status_id} |`,
  );
  expect(rows).toEqual(expect.arrayContaining(expected));
  expect(buildRows(Object.keys(OCSF_CLASSES))).toHaveLength(expected.length);
});

it('docs/audit.md explains every finding', () => {
  const findings = Object.entries({ ...AUDIT_FAULTS, ...AUDIT_NOTES, ...AUDIT_UNVERIFIED });
  const expected = findings.map(([code, meaning]) => `| \`${code}\` | ${meaning} |`);
  expect(rows).toEqual(expect.arrayContaining(expected));
});
