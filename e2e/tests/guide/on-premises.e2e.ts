import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { putObject } from '../../clouds/seed-data.ts';
import { publishUpstream } from '../../cluster/issuer-documents.ts';
import { testContext } from '../test-context.ts';
import { createGuidePage } from './block-coverage.ts';
import { readGuideBlocks, substitute, toLines } from './guide-blocks.ts';
import { describeImage, clearCluster } from './guide-release.ts';
import { createGuideShell, readReporterOutput } from './guide-shell.ts';
import type { RunBlock } from './guide-shell.ts';

const { clients, cloud, cluster, images, node } = testContext;
const PAGE = 'docs/guides/on-premises.md';
const [values = '', pod = ''] = readGuideBlocks(PAGE)
  .filter(({ language }) => language === 'yaml')
  .map(({ text }) => text);

/** The role of the page exists: other tests use it. */
const ROLE = 'agent-reports-on-premises';

// Its proxy of the issuer and its clients are on this machine.
if (node !== undefined) {
  describe(PAGE, () => {
    const page = createGuidePage('docs/guides/on-premises.md', 'guide/on-premises.e2e.ts');
    const folder = mkdtempSync(join(node.folder, 'guide-'));
    let run: RunBlock;

    beforeAll(async () => {
      const { helm, kubectl } = node.programs;
      const aws = join(folder, 'aws');
      writeFileSync(
        aws,
        `#!/bin/sh\nexec ${clients.newest?.awscli.command ?? ''} -m awscli "$@"\n`,
      );
      chmodSync(aws, 0o755);
      run = createGuideShell(folder, {
        programs: { helm, kubectl, aws },
        env: {
          KUBECONFIG: cluster.kubeconfig,
          AWS_DEFAULT_REGION: cloud.region,
          AWS_ACCESS_KEY_ID: cloud.adminAccessKeyId,
          AWS_SECRET_ACCESS_KEY: cloud.adminSecretAccessKey,
        },
      });
      await clearCluster();
      await putObject(cloud, 'acme-data/reports/today.csv', 'a,b\n');
    });

    it('installs the authority, and prints the commands for the role', async () => {
      const [repository = '', tag = ''] = images.valetkey.split(/:(?=[^:/]+$)/);
      const text = substitute(values, {
        'registry.example/valetkey': repository,
        'tag: 0.1.0': `tag: ${tag}\n  pullPolicy: Never`,
        'region: us-east-1': 'region: us-east-1\n  allowHttp: true',
        'stsEndpoint: https://rgw.example.com': `stsEndpoint: ${cloud.stsEndpoint}`,
        'url: https://rgw.example.com': `url: ${cloud.s3Endpoint}`,
        'issuer: https://issuer.example.com/valetkey': `issuer: ${new URL('guide', node.issuer).href}`,
        'trustDomain: example.com':
          'trustDomain: example.com\n  audit: { file: { persistent: false } }',
      });
      writeFileSync(join(folder, 'values.yaml'), text);
      const install = substitute(page.take('Install for Ceph RGW'), { 'agent-reports': ROLE });
      const output = await run(install);
      const address = await run(
        "kubectl -n valetkey get service valetkey-authority -o jsonpath='{.spec.clusterIP}'",
      );
      publishUpstream(node, 'guide', `https://${address}`);
      const commands = toLines(output).filter((line) => line.startsWith('aws '));
      expect(commands).toHaveLength(2);
      for (const line of commands) await run(`${line} --endpoint-url ${cloud.stsEndpoint}`);
      await run(
        substitute(page.take('Install for Ceph RGW', 1), {
          'https://rgw.example.com': cloud.stsEndpoint,
          '--role-name agent-reports': `--role-name ${ROLE}`,
        }),
      );
    });

    it('runs a pod that reads its object', async () => {
      const text = substitute(pod, {
        'role/agent-reports': `role/${ROLE}`,
        'image: amazon/aws-cli:2.27.0': describeImage(images.awscli, testContext.awscliCommand),
      });
      writeFileSync(join(folder, 'reporter.yaml'), text);
      expect(await run(page.take('Run a task on Ceph RGW'))).toContain('faults: 0');
      expect(await readReporterOutput(run)).toBe('a,b\n');
    });

    it('has run every block of the page', () => {
      expect(page.listLeft()).toEqual([]);
    });
  });
}
