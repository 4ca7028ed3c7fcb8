import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { waitFor } from '../../../test/kit/retry.ts';
import { applyObjects, execInPod, waitForPod } from '../../cluster/kubectl.ts';
import { callSidecarWithRetry, createNamespace, testContext } from '../test-context.ts';
import { createGuidePage } from './block-coverage.ts';
import { readGuideBlocks, substitute } from './guide-blocks.ts';
import type { GuideBlock } from './guide-blocks.ts';
import { clearCluster, describeImage } from './guide-release.ts';
import { createGuideShell, readReporterOutput } from './guide-shell.ts';
import type { RunBlock } from './guide-shell.ts';
import { defineMigrationTests } from './migration-steps.ts';
import type { Reader } from './migration-steps.ts';
import { createMinioService, minioAdmin, startMinioInCluster } from './minio-in-cluster.ts';
import type { MinioService } from './minio-in-cluster.ts';

const { cluster, images, node } = testContext;
const blocks = readGuideBlocks('docs/minio.md');

/** Every block of the page, in the order in which the tests run them. */
const [values, install, trust, variables, policy, printRole, prepare, pod, check] = blocks;

const requireText = (block: GuideBlock | undefined): string => block?.text ?? '';
const indent = (text: string): string =>
  text
    .trim()
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');

// MinIO's image is imported into the node's containerd.
if (node !== undefined) {
  const folder = mkdtempSync(join(node.folder, 'guide-'));
  const reader: Reader = { folder, role: '', run: () => Promise.reject(new Error('no shell yet')) };

  describe('docs/minio.md', () => {
    let service: MinioService;
    let run: RunBlock;
    let role: string;

    beforeAll(async () => {
      const { helm, kubectl, mc } = node.programs;
      await clearCluster();
      service = await createMinioService(node, folder);
      const alias = `https://${minioAdmin.user}:${minioAdmin.password}@${service.address}:9000`;
      const programs = { helm, kubectl, mc };
      const env = { KUBECONFIG: cluster.kubeconfig, MC_HOST_minio: alias, MC_INSECURE: 'true' };
      run = createGuideShell(folder, { programs, env });
      reader.run = run;
    });

    it('has the blocks that these tests run', () => {
      expect(blocks.map(({ heading, language }) => `${heading}: ${language}`)).toEqual([
        'Install the authority first: yaml',
        'Install the authority first: sh',
        'Start MinIO: sh',
        'Start MinIO: sh',
        'Start MinIO: sh',
        'Start MinIO: sh',
        'Run a pod: sh',
        'Run a pod: yaml',
        'Run a pod: sh',
      ]);
    });

    it('installs an authority that becomes ready before MinIO runs', async () => {
      const [repository = '', tag = ''] = images.valetkey.split(/:(?=[^:/]+$)/);
      const text = substitute(requireText(values), {
        'registry.example/valetkey # where you pushed the image': repository,
        'tag: 0.1.0': `tag: ${tag}\n  pullPolicy: Never`,
        '    -----BEGIN CERTIFICATE-----\n    …\n    -----END CERTIFICATE-----': indent(service.ca),
      });
      writeFileSync(join(folder, 'values.yaml'), text);
      await run(requireText(install));
    });

    it('starts a MinIO that trusts the authority, and prints the role for tasks', async () => {
      await run(requireText(trust));
      const env = Object.fromEntries(
        requireText(variables)
          .trim()
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
      );
      await startMinioInCluster(node, { folder, env });
      await run('kubectl -n minio rollout status deployment/minio --timeout=120s');
      // The node's rules for the Service follow a moment after the pod is ready.
      await waitFor('the Service of MinIO to respond', () => run('mc admin info minio'));
      await run(requireText(policy));
      role = (await run(requireText(printRole))).trim();
      reader.role = role;
      expect(role).toMatch(/^arn:minio:iam:::role\/[\w-]+$/);
      await run('mc mb minio/acme-data && echo a,b | mc pipe minio/acme-data/reports/today.csv');
    });

    it('runs a pod that reads its object', async () => {
      await run(requireText(prepare));
      const text = substitute(requireText(pod), {
        'arn:minio:iam:::role/REPLACE-WITH-THE-PRINTED-NAME': role,
        'image: amazon/aws-cli': describeImage(images.awscli, testContext.awscliCommand),
      });
      writeFileSync(join(folder, 'reporter.yaml'), text);
      await run('kubectl apply -f reporter.yaml');
      expect(await readReporterOutput(run)).toBe('a,b\n');
    });

    it('finds no problems with its checks', async () => {
      expect(await run(requireText(check))).toContain('No problems found.');
    });

    it('runs the pod of README.md, and a run with params', async () => {
      const readme = readGuideBlocks('README.md');
      const [declared, answer] = readme.filter(
        ({ heading, language }) => heading === 'Declare a task' && language === 'yaml',
      );
      const withRole = { 'arn:aws:iam::111122223333:role/agent-reports': role };
      const namespace = await createNamespace('readme');
      const text = substitute(requireText(declared), {
        ...withRole,
        'image: registry.example/agent:1': describeImage(images.agent, [
          ...['/usr/bin/node', '/app/agent.mjs', 'hold'],
        ]),
      });
      const annotations = parse(substitute(requireText(answer), withRole)) as object;
      const answering = { ...(parse(text) as object), metadata: { name: 'answerer', annotations } };
      await applyObjects(cluster, [parse(text) as object, answering], ['-n', namespace]);
      const place = { namespace, pod: 'reporter' };
      await waitForPod(cluster, place);
      const { status } = await callSidecarWithRetry(place, 'GET', '/v1/credentials');
      expect(status).toBe(200);
      const page = createGuidePage('README.md', 'guide/minio.e2e.ts');
      const curl = ['sh', '-euc', page.take('Declare a task')];
      await waitForPod(cluster, { namespace, pod: 'answerer' });
      const started = await waitFor('curl to start a run', async () => {
        const { stdout } = await execInPod(cluster, { namespace, pod: 'answerer' }, curl);
        const body = JSON.parse(stdout) as { run?: string };
        if (body.run === undefined) throw new Error(stdout);
        return body;
      });
      expect(started).toMatchObject({ credentials: { AccessKeyId: expect.any(String) } });
      expect(page.listLeft()).toEqual([]);
    });
  });

  if (testContext.isFull)
    defineMigrationTests(createGuidePage('docs/guides/migrate.md', 'guide/minio.e2e.ts'), reader);
}
