import { copyFileSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { applyObjects } from '../../cluster/kubectl.ts';
import { holdRecordFiles } from '../authority/record-files.ts';
import { testContext } from '../test-context.ts';
import { createGuidePage } from './block-coverage.ts';
import { readGuideBlocks, substitute, toLines } from './guide-blocks.ts';
import { clearCluster, describeImage } from './guide-release.ts';
import { createGuideShell, runWithProblems } from './guide-shell.ts';
import type { RunBlock } from './guide-shell.ts';
import { useLocalImage } from './quickstart-shell.ts';

const { cluster, images, node } = testContext;
const root = join(import.meta.dirname, '..', '..', '..');

/** `check --pre` expects a default class, which our cluster does not have. */
const storageClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: {
    name: 'guide-default',
    annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
  },
  provisioner: 'kubernetes.io/no-provisioner',
};

const findYaml = (page: string, heading: string): string =>
  readGuideBlocks(page).find((block) => block.heading === heading && block.language === 'yaml')
    ?.text ?? '';

// It reads the audit files of the node.
if (node !== undefined) {
  describe('README.md', () => {
    const page = createGuidePage('README.md', 'guide/readme.e2e.ts');
    const folder = mkdtempSync(join(node.folder, 'guide-'));
    const [check = '', status = '', explain = '', lint = '', revoke = '', verify = ''] = toLines(
      page.take('Inspect, lint and revoke'),
    );
    let run: RunBlock;

    beforeAll(async () => {
      const { helm, kubectl } = node.programs;
      const kubeconfig = join(folder, 'kubeconfig');
      copyFileSync(cluster.kubeconfig, kubeconfig);
      const env = {
        KUBECONFIG: kubeconfig,
        npm_config_prefix: join(folder, 'npm'),
        // The tests reach no registry.
        npm_config_offline: 'true',
        npm_config_audit: 'false',
      };
      const shell = createGuideShell(folder, { programs: { helm, kubectl }, env });
      run = (text) => shell(`export PATH="$HOME/npm/bin:$PATH"\n${text}`);
      await clearCluster();
    });

    it('checks the cluster before an installation', async () => {
      await applyObjects(cluster, storageClass);
      try {
        expect(await run(check)).toContain('default storage class guide-default');
      } finally {
        await run('kubectl delete storageclass guide-default');
      }
    });

    it('installs, and waits until both programs are ready', async () => {
      const install = useLocalImage(
        page.take('Install it on a cluster'),
        '<registry>/valetkey',
      ).trim();
      await run(`${install} --set authority.audit.file.persistent=false`);
      expect(await run(page.take('Install it on a cluster', 1))).toContain('rolled out');
    });

    it('links the plugin, and prints what makes a role trust the authority', async () => {
      const block = substitute(page.take('Install it on a cluster', 2), {
        '<namespace>': 'research',
      });
      const output = await run(`cd '${root}'\n${block}`);
      expect(output).toContain('aws iam create-role --role-name agent-reports');
      expect(await run('command -v kubectl-valetkey')).toBe(
        `${join(folder, 'npm', 'bin', 'kubectl-valetkey')}\n`,
      );
    });

    it('shows the state of the installation, and why a pod may run its task', async () => {
      await run('kubectl create namespace research');
      await run('kubectl label namespace research valetkey.dev/tasks=allowed');
      await run('kubectl -n research create serviceaccount agent');
      const pod = substitute(findYaml('README.md', 'Declare a task'), {
        // A page that runs later deletes the namespace.
        'serviceAccountName: agent':
          'serviceAccountName: agent\n  terminationGracePeriodSeconds: 1',
        'image: registry.example/agent:1': describeImage(images.agent, [
          ...['/usr/bin/node', '/app/agent.mjs', 'hold'],
        ]),
      });
      writeFileSync(join(folder, 'pod.yaml'), pod);
      await run('kubectl config set-context --current --namespace research');
      await run('kubectl apply --filename pod.yaml');
      // No cloud reads the keys of this installation, which is a problem.
      expect(await runWithProblems(run, status, [1])).toContain('valetkey-authority');
      expect(await run(explain)).toContain('summarize');
    });

    it('finds no faults in a pod and a policy', async () => {
      const policy = findYaml('docs/first-hour.md', 'Write your first policy');
      writeFileSync(join(folder, 'policy.yaml'), policy);
      expect(await run(lint)).toContain('faults: 0');
    });

    it('revokes the pod', async () => {
      expect(await run(revoke)).toContain('research/reporter');
      expect(await run('kubectl get revocations -o name')).not.toBe('');
      await run('kubectl delete revocations --all');
    });

    it('verifies the records', async () => {
      const records = holdRecordFiles(node, 'readme');
      try {
        const output = await waitFor('records that reach the published heads', async () => {
          for (const [index, file] of records.files().entries())
            copyFileSync(file, join(folder, `audit-${index}.jsonl`));
          return run(verify);
        });
        expect(output).toContain('No problems found.');
      } finally {
        records.stop();
      }
    });

    it('has run every block that no other test runs', () => {
      expect(page.listLeft()).toEqual([]);
    });
  });
}
