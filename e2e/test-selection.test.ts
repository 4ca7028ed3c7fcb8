import { globSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import {
  entryNames,
  getGroup,
  listBuilds,
  listGroups,
  listResultNames,
  selectFiles,
  testFiles,
} from './test-selection.ts';

const options = { isFull: false, hasNode: true };
const listNames = (...args: Parameters<typeof selectFiles>): string[] =>
  selectFiles(...args).map(({ file }) => file);

describe('the table of end-to-end test files', () => {
  it('lists every *.e2e.ts file once', () => {
    const found = globSync('**/*.e2e.ts', { cwd: join(import.meta.dirname, 'tests') });
    expect(testFiles.map(({ file }) => file).toSorted()).toEqual(found.toSorted());
  });

  it('runs every file in at least one entry', () => {
    const listEntries = ({ entries, fullEntries = [] }: (typeof testFiles)[number]) => [
      ...entries,
      ...fullEntries,
    ];
    expect(testFiles.filter((file) => listEntries(file).length === 0)).toEqual([]);
  });
});

describe('selectFiles', () => {
  it('returns files of the entry only', () => {
    expect(listNames('minio', options)).toContain('admission.e2e.ts');
    expect(listNames('rgw', options)).not.toContain('admission.e2e.ts');
    expect(listNames('unknown', options)).toEqual([]);
  });

  it('adds the entries of --full', () => {
    expect(listNames('minio-cluster', options)).not.toContain('admission.e2e.ts');
    expect(listNames('minio-cluster', { ...options, isFull: true })).toContain('admission.e2e.ts');
  });

  it('skips files that need the node on an external cluster', () => {
    const files = selectFiles('minio', { ...options, hasNode: false });
    expect(files.filter(({ needsNode }) => needsNode)).toEqual([]);
    expect(files.length).toBeGreaterThan(0);
  });

  it('applies the pattern of --only to the path', () => {
    const only = 'tasks|/admission\\.';
    expect(listNames('minio', { ...options, only })).toEqual(['tasks.e2e.ts', 'admission.e2e.ts']);
    expect(listNames('rgw', { ...options, only })).toEqual(['tasks.e2e.ts']);
  });
});

describe('listBuilds', () => {
  it('names what the selected files need, once', () => {
    const isFull = true;
    expect(listBuilds(entryNames, options)).toEqual([
      'promtool',
      'chromium',
      'model clients',
      'mcp',
      'moto',
      'kinesis',
      'postgres clients',
      'sign clients',
      'guide programs',
    ]);
    expect(listBuilds(['minio'], { ...options, isFull })).toEqual([
      'promtool',
      'vault',
      'keycloak',
      'chromium',
      'debugger',
      'model clients',
      'mcp',
      'collector',
      'prometheus',
      'release',
    ]);
    expect(listBuilds(entryNames, { ...options, only: 'tasks' })).toEqual([]);
  });
});

describe('listGroups', () => {
  it('lists the groups that have a file, in the order in which they run', () => {
    expect(listGroups('minio', options)).toEqual(['main', 'serial', 'disruption', 'guide']);
    expect(listGroups('minio', { ...options, isFull: true })).toContain('metrics');
    expect(listGroups('minio-cluster', options)).toEqual(['main']);
  });

  it('takes the group from the first folder', () => {
    expect(getGroup({ file: 'authority/wire.e2e.ts' })).toBe('main');
    expect(getGroup({ file: 'serial/authority/flood.e2e.ts' })).toBe('serial');
  });
});

describe('listResultNames', () => {
  it('names the faults, the chart check and each group of each entry', () => {
    const names = listResultNames();
    expect(names).toContain('e2e-faults.json');
    expect(names).toContain('e2e-chart.json');
    for (const entry of entryNames) expect(names).toContain(`e2e-${entry}-main.json`);
    expect(names).not.toContain('e2e-minio-cluster-disruption.json');
  });
});
