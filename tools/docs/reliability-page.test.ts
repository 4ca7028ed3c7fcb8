import { describe, expect, it } from '@jest/globals';
import { CLUSTER_FAULTS } from '../../e2e/faults/cluster-faults.ts';
import { FAULT_CASES, listFaults, type FaultId } from '../../e2e/faults/fault-cases.ts';
import { readFaultResults, type FaultResult } from '../../e2e/faults/fault-results.ts';
import { PROCESS_FAULTS } from '../../e2e/faults/process-faults.ts';
import { listBrokenPromises } from '../../e2e/faults/promises.ts';
import { testFiles } from '../../e2e/test-selection.ts';
import { readTargets, renderObjectives, renderSummary } from './reliability-page.ts';

describe('the table of faults', () => {
  it('has a result for each fault that is applied to the programs', () => {
    const isOfCluster = (id: string) => CLUSTER_FAULTS.some((fault) => fault === id);
    const measured = Object.keys(readFaultResults()).filter((id) => !isOfCluster(id));
    expect(measured.sort()).toEqual(Object.keys(PROCESS_FAULTS).sort());
  });

  it('has no fault that is applied neither to the programs nor to a cluster', () => {
    const applied = [...Object.keys(PROCESS_FAULTS), ...CLUSTER_FAULTS].sort();
    const faults = listFaults().map(({ id }) => id);
    expect(faults.toSorted()).toEqual(applied);
  });

  it('names an existing end-to-end test for each fault of a cluster', () => {
    const files = testFiles.map(({ file }) => file);
    const tests = listFaults().filter(({ id }) => CLUSTER_FAULTS.includes(id));
    for (const { id, test = '' } of tests) expect([id, files.includes(test)]).toEqual([id, true]);
  });

  it('names only existing end-to-end tests', () => {
    const files = testFiles.map(({ file }) => file);
    const named = listFaults().flatMap(({ test = [] }) => test);
    expect(named.filter((test) => !files.includes(test))).toEqual([]);
  });

  it('has no result in which ended credentials were served or a request was lost', () => {
    const results = Object.entries(readFaultResults()) as [FaultId, FaultResult][];
    for (const [id, result] of results)
      expect([id, ...listBrokenPromises(id, result)]).toEqual([id]);
  });
});

describe('renderSummary', () => {
  it('shows a dash for the recovery of a fault without figures', () => {
    const [fault] = listFaults();
    if (fault === undefined) throw new Error('expected a fault, found none');
    expect(renderSummary([fault], {})).toMatch(/\| – +\|$/);
    expect(FAULT_CASES[fault.id].sentence).toBe(fault.sentence);
  });
});

describe('renderObjectives', () => {
  it('computes the outage that uses up an error budget', () => {
    expect(renderObjectives([], new Map([['issuing', 0.995]]))).toContain(
      '| `issuing` | 99.5 % | 216 minutes',
    );
  });

  it('knows each objective of the chart', () => {
    expect([...readTargets().keys()]).toEqual(['admission', 'issuing', 'serving', 'revocation']);
    expect([...readTargets().values()].every((target) => target > 0.9 && target < 1)).toBe(true);
  });
});
