import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { waitFor } from '../../../test/kit/retry.ts';
import { CommandError } from '../../cluster/command.ts';
import { applyObjects, getJson, runKubectl } from '../../cluster/kubectl.ts';
import { runInside } from '../../cluster/network-namespace.ts';
import { cluster, testContext } from '../test-context.ts';

const { release, helm, folder } = testContext;
/** Helm's own name: another one would own fields, and later upgrades by Helm would conflict. */
const SERVER_SIDE = ['--server-side', '--force-conflicts', '--field-manager', 'helm'];

/** The tools render for the version of their cluster; Helm alone renders for one that the chart refuses. */
const readClusterVersion = async (): Promise<string> => {
  const { stdout } = await runKubectl(cluster, ['version', '-o', 'json']);
  type Version = { readonly serverVersion: { readonly gitVersion: string } };
  return (JSON.parse(stdout) as Version).serverVersion.gitVersion;
};

/** What a tool that renders like `helm template` compares with the cluster. */
const render = async (...more: readonly string[]): Promise<string> => {
  const { name, chart, namespace, valuesFile } = release;
  const { stdout } = await runInside(cluster.namespace, helm, [
    ...['template', name, chart, '--namespace', namespace, '--include-crds'],
    ...['--kube-version', await readClusterVersion(), '--values', valuesFile, ...more],
  ]);
  return stdout;
};

/** @returns the differences as `diff` prints them; empty: none */
const readDifferences = async (rendered: string): Promise<string> => {
  const file = join(folder, 'gitops.yaml');
  writeFileSync(file, rendered);
  try {
    await runKubectl(cluster, ['diff', ...SERVER_SIDE, '-f', file]);
    return '';
  } catch (error) {
    // More than 1: it could not compare.
    if (!(error instanceof CommandError) || error.exitCode !== 1) throw error;
    return error.stdout;
  }
};

type Configuration = { webhooks: { clientConfig: { caBundle?: string } }[] };
type WithData = { data?: Readonly<Record<string, string>> };

/** What the programs write into objects that the chart renders without it. */
const waitForWrites = () =>
  waitFor('caBundle and data of the programs', async () => {
    const where = ['-n', release.namespace];
    const read = (kind: string, name: string) => getJson<WithData>(cluster, [kind, name, ...where]);
    const configuration = ['mutatingwebhookconfiguration', 'valetkey'];
    const { webhooks } = await getJson<Configuration>(cluster, configuration);
    const written = await Promise.all([
      read('secret', 'valetkey-authority-keys'),
      read('configmap', 'valetkey-authority-trust-bundle'),
      read('configmap', 'valetkey-injection-templates'),
    ]);
    return (
      webhooks.every(({ clientConfig }) => (clientConfig.caBundle ?? '') !== '') &&
      written.every(({ data = {} }) => Object.keys(data).length > 0)
    );
  });

/** docs/gitops.md: Argo CD and Flux themselves are not to be had here. */
describe('a tool that compares the rendered chart with the cluster', () => {
  beforeAll(waitForWrites);

  it('finds no difference in a second sync, after the programs wrote their data', async () => {
    const rendered = await render();
    await applyObjects(cluster, rendered, SERVER_SIDE);
    await waitForWrites();
    expect(await readDifferences(await render())).toBe('');
  });

  it('finds a changed setting', async () => {
    const changed = await render('--set', 'webhook.replicas=3');
    expect(await readDifferences(changed)).toMatch(/^\+\s+replicas: 3$/m);
  });
});
