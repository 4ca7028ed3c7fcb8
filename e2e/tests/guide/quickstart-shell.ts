import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from '../../cluster/cluster-file.ts';
import { testContext } from '../test-context.ts';
import { substitute } from './guide-blocks.ts';
import { clearCluster, describeImage } from './guide-release.ts';
import { createGuideShell } from './guide-shell.ts';
import type { GuideShellOptions, RunBlock } from './guide-shell.ts';
import { loadMinioImage } from './minio-in-cluster.ts';

const { cluster, images } = testContext;
const root = join(import.meta.dirname, '..', '..', '..');

/**
 * Creates a shell for the commands of docs/quickstart.md, on a cluster without the chart: in its folder are the manifests
 * of the quick start with images that the node has.
 */
export const createQuickstartShell = async (
  node: Cluster,
  folder: string,
  options: Pick<GuideShellOptions, 'addPlugin'> = {},
): Promise<RunBlock> => {
  const copyManifest = (name: string, substitutions: Readonly<Record<string, string>> = {}) => {
    const path = join('manifests', 'quickstart', name);
    const text = readFileSync(join(root, path), 'utf8');
    writeFileSync(join(folder, path), substitute(text, substitutions));
  };
  const { helm, kubectl } = node.programs;
  await clearCluster();
  mkdirSync(join(folder, 'manifests', 'quickstart'), { recursive: true });
  copyManifest('quickstart-values.yaml');
  copyManifest('namespace.yaml', {
    'image: minio/minio:RELEASE.2025-04-22T22-12-26Z': `image: ${await loadMinioImage(node, folder)}\n          imagePullPolicy: Never`,
  });
  const awscli = describeImage(images.awscli, testContext.awscliCommand);
  copyManifest('agent.yaml', {
    'name: allowed\n      image: amazon/aws-cli:2.27.0': `name: allowed\n      ${awscli}`,
    'name: refused\n      image: amazon/aws-cli:2.27.0': `name: refused\n      ${awscli}`,
  });
  const run = createGuideShell(folder, {
    programs: { helm, kubectl },
    env: { KUBECONFIG: cluster.kubeconfig },
    ...options,
  });
  return run;
};

/** Commands that install the chart, with the image that the node has. */
export const useLocalImage = (commands: string, named = 'registry.example/valetkey'): string => {
  const [repository = '', tag = ''] = images.valetkey.split(/:(?=[^:/]+$)/);
  return substitute(commands, {
    [named]: repository,
    'image.tag=0.1.0': `image.tag=${tag} --set image.pullPolicy=Never`,
  });
};
