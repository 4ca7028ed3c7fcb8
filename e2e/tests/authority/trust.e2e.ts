import { beforeAll, describe, expect, test } from '@jest/globals';
import { grantAudience, getGrantIssuer } from '../../clouds/cloud-trust.ts';
import { rolePolicy } from '../../clouds/cloud.ts';
import { createRole } from '../../clouds/iam-requests.ts';
import { assumeRole } from '../../clouds/sts.ts';
import { readExchangeToken } from '../node-access.ts';
import {
  callSidecarWithRetry,
  cloud,
  createNamespace,
  expectRead,
  readReports,
  runPod,
  testContext,
} from '../test-context.ts';
import type { PodRef } from '../test-context.ts';
import { waitForEvent, waitForRefusalRecord } from './audit-records.ts';
import { createClusterSigner } from './forged-tokens.ts';

const { node } = testContext;

// The exchange token stands in the node's files.
if (node !== undefined) {
  describe(`${cloud.name} trusts the authority alone`, () => {
    const pod: PodRef = { namespace: '', pod: 'holder' };
    let token: string;

    beforeAll(async () => {
      pod.namespace = await createNamespace('trust');
      await runPod({ name: pod.pod, namespace: pod.namespace, tasks: { read: readReports } });
      token = await readExchangeToken(node, pod);
    });

    const roles = Object.entries(cloud.roles);

    test.each(roles)('the exchange token opens no role: not %s', async (_name, roleArn) => {
      await expect(assumeRole(cloud, { token, roleArn })).rejects.toThrow(
        'AssumeRoleWithWebIdentity: 4',
      );
    });

    test.each(['sts.amazonaws.com', grantAudience])(
      'nor does the cluster’s own word for %s open the agents’ role',
      async (audience) => {
        const foreign = await createClusterSigner(node)(token, { claims: { aud: [audience] } });
        const roleArn = cloud.roles['agent-reports'] ?? '';
        await expect(assumeRole(cloud, { token: foreign, roleArn })).rejects.toThrow(
          'AssumeRoleWithWebIdentity: 4',
        );
      },
    );

    test('while the pod itself is served', async () => {
      await expectRead(pod);
    });
  });
}

// MinIO's role policy looks at neither `sub` nor tags.
if (cloud.name === 'rgw' && node !== undefined) {
  describe('a role of RGW that trusts', () => {
    const issuer = getGrantIssuer(node);
    let namespace: string;
    let neighbour: string;
    const roles = { ofTask: '', ofNamespace: '' };

    beforeAll(async () => {
      [namespace, neighbour] = await Promise.all([
        createNamespace('own'),
        createNamespace('neighbour'),
      ]);
      roles.ofTask = await createRole(cloud, {
        name: 'by-sub',
        issuer,
        subjects: [`spiffe://cluster.local/ns/${namespace}/sa/agent/task/right`],
        policy: rolePolicy,
      });
      roles.ofNamespace = await createRole(cloud, {
        name: 'by-tag',
        issuer,
        subjects: ['spiffe://cluster.local/*'],
        conditions: { StringEquals: { 'aws:RequestTag/valetkey-namespace': [namespace] } },
        policy: rolePolicy,
      });
      const task = (role: string) => ({ ...readReports, role });
      const tasks = {
        right: { ...task(roles.ofTask), default: true },
        wrong: task(roles.ofTask),
        tagged: task(roles.ofNamespace),
      };
      await Promise.all([
        runPod({ name: 'agent', namespace, tasks }),
        runPod({ name: 'agent', namespace: neighbour, tasks }),
      ]);
    });

    const credentials = (where: string, task: string) =>
      callSidecarWithRetry(
        { namespace: where, pod: 'agent' },
        'GET',
        `/v1/tasks/${task}/credentials`,
      );
    const denied = { status: 403, body: { Code: 'AccessDenied' } };

    test('one task’s sub opens to that task', async () => {
      expect(await credentials(namespace, 'right')).toMatchObject({ status: 200 });
      await expectRead({ namespace, pod: 'agent' });
    });

    test('and not to another task of the same pod, which is told why', async () => {
      expect(await credentials(namespace, 'wrong')).toMatchObject(denied);
      const pod = { namespace, pod: 'agent' };
      expect(await waitForRefusalRecord(pod, 'AccessDenied')).toMatchObject({
        unmapped: { task: 'wrong' },
      });
      await waitForEvent(pod, 'AccessDenied');
    });

    test('nor to the same task of another namespace', async () => {
      expect(await credentials(neighbour, 'right')).toMatchObject(denied);
    });

    test('one namespace’s tag opens there, and nowhere else', async () => {
      expect(await credentials(namespace, 'tagged')).toMatchObject({ status: 200 });
      expect(await credentials(neighbour, 'tagged')).toMatchObject(denied);
    });
  });
}
