import { mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import {
  pushRelease,
  readReleaseDigests,
  startRegistry,
  unpackPlugin,
  writeFailingPrograms,
  type LocalRegistry,
} from '../../../tools/release/local-registry.ts';
import { runKubectl } from '../../cluster/kubectl.ts';
import { cluster, testContext } from '../test-context.ts';
import { readGuideBlocks, substitute } from './guide-blocks.ts';
import type { RunBlock } from './guide-shell.ts';
import { createQuickstartShell } from './quickstart-shell.ts';

const { node, release } = testContext;
const installation = readGuideBlocks('docs/release.md').find(
  ({ heading }) => heading === 'Install by digest',
);
const [quickstart, output] = readGuideBlocks('docs/quickstart.md').map(({ text }) => text);
const [, manifest = '', command = ''] =
  /^(kubectl apply .*)\n(.*)\n$/m.exec(quickstart ?? '') ?? [];

// Its containerd calls registries on the loopback interface without TLS.
if (node !== undefined) {
  describe('a release, as make release builds it', () => {
    const folder = mkdtempSync(join(node.folder, 'guide-'));
    let registry: LocalRegistry;
    let run: RunBlock;

    beforeAll(async () => {
      registry = await startRegistry(folder);
      pushRelease(registry);
      const unpacked = join(folder, 'unpacked');
      mkdirSync(unpacked);
      const addPlugin = (bin: string): void => {
        symlinkSync(unpackPlugin(unpacked), join(bin, 'kubectl-valetkey'));
        writeFailingPrograms(bin);
      };
      run = await createQuickstartShell(node, folder, { addPlugin });
    });
    afterAll(() => registry.stop());

    it('is installed from a registry, chart and image by digest', async () => {
      const { image, chart } = readReleaseDigests();
      const repository = `${registry.address}/valetkey`;
      const commands = substitute(installation?.text ?? '', {
        'oci://ghcr.io/valetkey/charts': `oci://${registry.address}/charts`,
        '$(jq --raw-output .chart digests.json)': chart,
        '$(jq --raw-output .image digests.json)': image,
        'your-values.yaml': 'manifests/quickstart/quickstart-values.yaml',
        'image.repository=ghcr.io/valetkey/valetkey': `image.repository=${repository}`,
      });
      await run(`${commands.trim()} --plain-http --wait --timeout 300s`);
      const query = 'jsonpath={.items[*].spec.containers[*].image}';
      const { stdout } = await runKubectl(cluster, [
        ...['get', 'pods', '-n', release.namespace, '-l', 'app.kubernetes.io/name=valetkey'],
        ...['-o', query],
      ]);
      expect([...new Set(stdout.split(' '))]).toEqual([`${repository}@${image}`]);
    });

    it('gives an agent its first credential, by the plugin of the archive, without Node and npm', async () => {
      await expect(run('node --version')).rejects.toThrow('node was called');
      await run(manifest);
      const [allowed = ''] = (output ?? '').split('refused:');
      expect(await run(command)).toContain(allowed);
      const query = "jsonpath={.spec.initContainers[?(@.name=='valetkey-sidecar')].image}";
      const { stdout } = await runKubectl(cluster, [
        ...['get', 'pod', 'agent', '-n', 'quickstart', '-o', query],
      ]);
      expect(stdout).toBe(`${registry.address}/valetkey@${readReleaseDigests().image}`);
      await run(`${command} --delete`);
    });
  });
}
