import { beforeAll, describe, expect, it } from '@jest/globals';
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

// The exchange token is read from a file of the node.
if (node !== undefined) {
  describe(`trust of ${cloud.name} in the authority only`, () => {
    const pod: PodRef = { namespace: '', pod: 'holder' };
    let token: string;

    beforeAll(async () => {
      pod.namespace = await createNamespace('trust');
      await runPod({ name: pod.pod, namespace: pod.namespace, tasks: { read: readReports } });
      token = await readExchangeToken(node, pod);
    });

    const roles = Object.entries(cloud.roles);

    it.each(roles)('refuses the exchange token for the role %s', async (_name, roleArn) => {
      await expect(assumeRole(cloud, { token, roleArn })).rejects.toThrow(
        'AssumeRoleWithWebIdentity: 4',
      );
    });

    it.each(['sts.amazonaws.com', grantAudience])(
      'refuses a token of the cluster with audience %s',
      async (audience) => {
        const foreign = await createClusterSigner(node)(token, { claims: { aud: [audience] } });
        const roleArn = cloud.roles['agent-reports'] ?? '';
        await expect(assumeRole(cloud, { token: foreign, roleArn })).rejects.toThrow(
          'AssumeRoleWithWebIdentity: 4',
        );
      },
    );

    it('still serves the pod itself', async () => {
      await expectRead(pod);
    });
  });
}

// MinIO's role policy ignores `sub` and tags.
if (cloud.name === 'rgw' && node !== undefined) {
  describe('a role of RGW', () => {
    const issuer = getGrantIssuer(node);
    let namespace: string;
    let neighbor: string;
    const roles = { ofTask: '', ofNamespace: '' };

    beforeAll(async () => {
      [namespace, neighbor] = await Promise.all([
        createNamespace('own'),
        createNamespace('neighbor'),
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
        runPod({ name: 'agent', namespace: neighbor, tasks }),
      ]);
    });

    const credentials = (where: string, task: string) =>
      callSidecarWithRetry(
        { namespace: where, pod: 'agent' },
        'GET',
        `/v1/tasks/${task}/credentials`,
      );
    const denied = { status: 403, body: { Code: 'AccessDenied' } };

    it('that trusts the sub of one task is assumed for that task', async () => {
      expect(await credentials(namespace, 'right')).toMatchObject({ status: 200 });
      await expectRead({ namespace, pod: 'agent' });
    });

    it('that trusts the sub of one task refuses another task of the same pod, with a record and an Event', async () => {
      expect(await credentials(namespace, 'wrong')).toMatchObject(denied);
      const pod = { namespace, pod: 'agent' };
      expect(await waitForRefusalRecord(pod, 'AccessDenied')).toMatchObject({
        unmapped: { task: 'wrong' },
      });
      await waitForEvent(pod, 'AccessDenied');
    });

    it('that trusts the sub of one task refuses the same task in another namespace', async () => {
      expect(await credentials(neighbor, 'right')).toMatchObject(denied);
    });

    it('that trusts the tag of one namespace is assumed only there', async () => {
      expect(await credentials(namespace, 'tagged')).toMatchObject({ status: 200 });
      expect(await credentials(neighbor, 'tagged')).toMatchObject(denied);
    });
  });
}
