import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { CommandError } from '../../cluster/command.ts';
import { getJson } from '../../cluster/kubectl.ts';
import { runInside } from '../../cluster/network-namespace.ts';
import { cloud, cluster, createNamespace, getAgentRole, testContext } from '../test-context.ts';

const PROGRAM = join(import.meta.dirname, '../../../cmd/kubectl-valetkey/main.ts');

type Row = { readonly id: string; readonly outcome: string; readonly problems: readonly string[] };

/** Runs the smoke test from the node, whose address is not that of the pod. */
const runSmokeTest = async (
  namespace: string,
  objects: readonly string[],
  more: readonly string[] = [],
): Promise<readonly Row[]> => {
  const words = [
    ...['check', '--kubeconfig', cluster.kubeconfig],
    ...['--installed-in', testContext.release.namespace, '-o', 'json'],
    ...['--smoke-test', '-n', namespace, '--role', getAgentRole()],
    ...objects.flatMap((object) => ['--object', object]),
    ...more,
  ];
  const { stdout } = await runInside(cluster.namespace, process.execPath, [PROGRAM, ...words], {
    timeoutMs: 300_000,
  }).catch((error: unknown) => {
    // Another row may fail in a test cluster.
    if (!(error instanceof CommandError) || error.exitCode !== 1) throw error;
    return error;
  });
  const { rows } = JSON.parse(stdout) as { readonly rows: readonly Row[] };
  return rows.filter(({ id }) => id.startsWith('cloud-'));
};

const toOutcomes = (rows: readonly Row[]): Readonly<Record<string, string>> =>
  Object.fromEntries(rows.map(({ id, outcome }) => [id, outcome]));

describe(`kubectl valetkey check --smoke-test (${cloud.name})`, () => {
  it('shows that the cloud enforces scope, deadline and source, and creates no key', async () => {
    const namespace = await createNamespace('smoke-test');
    const rows = await runSmokeTest(
      namespace,
      ['acme-data/reports/q3.csv', 'acme-other/reports/q3.csv'],
      // The role of RGW trusts no other.
      ['--service-account', 'agent'],
    );
    expect(rows.flatMap(({ problems }) => problems)).toEqual([]);
    expect(toOutcomes(rows)).toEqual({
      'cloud-scope': 'pass',
      'cloud-deadline': 'pass',
      'cloud-source': 'pass',
      'cloud-keys': 'pass',
    });
    const { items } = await getJson<{ items: readonly object[] }>(cluster, [
      ...['pods', '-n', namespace, '-l', 'app.kubernetes.io/name=valetkey-smoke-test'],
    ]);
    expect(items).toEqual([]);
  }, 300_000);

  it('fails in a namespace whose tasks no policy permits', async () => {
    const rows = await runSmokeTest('default', ['acme-data/a', 'acme-data/b']);
    expect(toOutcomes(rows)).toMatchObject({ 'cloud-scope': 'fail', 'cloud-keys': 'skipped' });
    expect(rows[0]?.problems.join()).toContain('denied the request');
  });
});
