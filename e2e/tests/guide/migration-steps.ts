import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { testContext } from '../test-context.ts';
import type { GuidePage } from './block-coverage.ts';
import { readGuideBlocks, substitute } from './guide-blocks.ts';
import { runWithProblems } from './guide-shell.ts';
import type { RunBlock } from './guide-shell.ts';

/** A reader who has set up MinIO: an object, the role for it, and a namespace for tasks. */
export type Reader = { readonly folder: string; role: string; run: RunBlock };

const KEYS = '[{name: AWS_ACCESS_KEY_ID, value: AKIAIOSFODNN7EXAMPLE}, {name: HOME, value: /tmp}]';
const NAMESPACE = `apiVersion: v1
kind: Namespace
metadata:
  name: research
  labels: { valetkey.dev/tasks: allowed }
`;

/** The Deployment of the page. Its agent reads an object every second. */
const buildManifest = (role: string, env: string): string => {
  const declared = readGuideBlocks('docs/guides/migrate.md').find(
    ({ heading, language }) => heading === '3. Declare the task' && language === 'yaml',
  );
  const read = `${testContext.awscliCommand.join(' ')} s3 cp s3://acme-data/reports/today.csv -`;
  const command = ['sh', '-c', `while sleep 1; do ${read}; done`];
  return substitute(declared?.text ?? '', {
    'arn:aws:iam::111122223333:role/agent-reports': role,
    // The namespace is deleted before the next page: a shell as first process ignores SIGTERM.
    'serviceAccountName: reporter-tasks':
      'serviceAccountName: reporter-tasks\n      terminationGracePeriodSeconds: 1',
    'image: registry.example/agent:1': [
      `image: ${testContext.images.awscli}`,
      'imagePullPolicy: Never',
      `command: ${JSON.stringify(command)}`,
      `env: ${env}`,
    ].join('\n          '),
  });
};

/** Migrates a workload with static keys as the page says, on the installation of docs/minio.md. */
export const defineMigrationTests = (page: GuidePage, reader: Reader): void => {
  const writeManifest = (env: string): void => {
    const file = join(reader.folder, 'deploy', 'reporter.yaml');
    writeFileSync(file, buildManifest(reader.role, env));
  };
  const writeOldManifest = (): void => writeManifest(KEYS);
  const writeNewManifest = (): void => writeManifest('[{name: HOME, value: /tmp}]');
  /** Both outputs: the API server's warnings are on standard error. */
  const runWithWarnings = (text: string): Promise<string> => reader.run(`exec 2>&1\n${text}`);
  /** 1: it finds what it looks for; 4: records lack. */
  const findWith = (text: string): Promise<string> => runWithProblems(reader.run, text, [1, 4]);

  describe('docs/guides/migrate.md', () => {
    beforeAll(() => {
      for (const name of ['deploy', 'policies']) mkdirSync(join(reader.folder, name));
      writeFileSync(join(reader.folder, 'deploy', 'namespace.yaml'), NAMESPACE);
    });

    it('finds the service accounts of IRSA', async () => {
      const annotation = 'eks.amazonaws.com/role-arn=arn:aws:iam::111122223333:role/old';
      await reader.run('kubectl -n research create serviceaccount irsa');
      await reader.run(`kubectl -n research annotate serviceaccount irsa ${annotation}`);
      const lines = (await reader.run(page.take('From IRSA'))).trim().split('\n');
      expect(lines.map((line) => line.split(/ +/))).toEqual([
        ['NAMESPACE', 'NAME', 'ROLE'],
        ['research', 'irsa', 'arn:aws:iam::111122223333:role/old'],
      ]);
    });

    it('names the static keys of a pod', async () => {
      writeOldManifest();
      expect(await findWith(page.take('From static keys'))).toContain('AWS_ACCESS_KEY_ID');
    });

    it('checks the manifest without keys, offline and with what policy decides', async () => {
      writeNewManifest();
      await reader.run('kubectl get taskpolicy valetkey-starter -o yaml > policies/starter.yaml');
      const output = await reader.run(page.take('3. Declare the task'));
      expect(output).toContain('faults: 0');
      expect(output).toContain('call allowed');
    });

    it('warns about keys, and no more once the namespace is labeled for them', async () => {
      writeOldManifest();
      const output = await runWithWarnings(page.take('4. Exempt what you cannot change yet'));
      const [before = '', after = ''] = output.split('namespace/research labeled');
      expect(before).toMatch(/Warning: .*AWS_ACCESS_KEY_ID/);
      const accepted = 'deployment.apps/reporter created (server dry run)';
      expect(after).toContain(accepted);
      const again = 'kubectl apply --dry-run=server --filename deploy/reporter.yaml';
      await waitFor(
        'the webhook to know the label',
        async () => (await runWithWarnings(again)).trim() === accepted,
      );
    });

    it('rolls out the manifest without keys, and its pods read', async () => {
      writeNewManifest();
      const output = await reader.run(page.take('5. Roll out, and look'));
      expect(output).toMatch(/^research +reporter-\S+ +agent +reports /m);
      await waitFor('a pod to read its object', async () =>
        (await reader.run('kubectl -n research logs deployment/reporter -c agent')).includes('a,b'),
      );
    });

    it('compares what is declared with what was used', async () => {
      const output = await findWith(page.take('6. Narrow the task'));
      // The records begin with the installation, some minutes ago, and none is missing.
      expect(output).toMatch(/^research\/reporter-tasks reports +sign +2 .* complete$/m);
    });

    it('ends the exemption', async () => {
      writeOldManifest();
      const lint = 'kubectl valetkey lint deploy/reporter.yaml';
      expect(await reader.run(lint)).toContain('faults: 0');
      expect(await reader.run(page.take('7. Remove the old access', 1))).toContain('unlabeled');
      await expect(reader.run(lint)).rejects.toThrow('ended with 1');
    });

    it('has run every block that is said to run here', () => {
      expect(page.listLeft()).toEqual([]);
    });
  });
};
