import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { runKubectl } from '../../cluster/kubectl.ts';
import type { PostgresSession } from '../../postgres-client.ts';
import { newPassword, prepareDatabases } from '../../postgres-runs.ts';
import { startPostgres, type PostgresServer } from '../../postgres-server.ts';
import {
  createRevocation,
  createRevocationNames,
  waitForConsumerLine,
} from '../authority/revocation-objects.ts';
import {
  buildAgentContainer,
  cluster,
  createNamespace,
  runPod,
  type Declaration,
  type PodRef,
} from '../test-context.ts';
import {
  buildUpstreamCommand,
  callUpstream,
  createUpstream,
  deleteUpstream,
  getUpstreamName,
  nodeAddress,
} from './upstream-objects.ts';

/** The role of a run. */
const RUN_ROLE = /^vk_[a-z2-7]{32}$/;

describe('a pod whose database login the gateway presents', () => {
  const place: PodRef = { namespace: '', pod: 'querying' };
  const upstream = getUpstreamName('database');
  const revocations = createRevocationNames('database-session');
  const query: Declaration = {
    provider: 'postgres',
    role: `${upstream}/app`,
    delivery: 'sign',
    allow: [{ actions: ['postgres:connect'], resources: [`postgres://${upstream}/sales`] }],
  };
  const password = newPassword();
  let server: PostgresServer;
  let root: PostgresSession;

  const listRunRoles = async (): Promise<readonly (string | null | undefined)[]> => {
    const rows = await root.query(
      String.raw`SELECT rolname FROM pg_roles WHERE rolname LIKE 'vk\_%'`,
    );
    return rows.map(([name]) => name);
  };

  beforeAll(async () => {
    server = await startPostgres(undefined, nodeAddress);
    await prepareDatabases(server, password);
    root = await server.connect({ user: 'postgres', password: server.password });
    await revocations.deleteAll();
    const { port, caBundle } = server;
    const origin = `postgres://${nodeAddress}:${port}`;
    const templates = [{ role: 'app', level: 'Write' }];
    const admin = { name: upstream, key: 'token' };
    await createUpstream(upstream, {
      spec: { postgres: { host: nodeAddress, port, caBundle, admin, templates } },
      secret: { text: `valetkey:${password}`, origin, hidden: password },
    });
    place.namespace = await createNamespace('database');
    await runPod({ name: place.pod, namespace: place.namespace, tasks: { query } });
  });

  afterAll(async () => {
    await revocations.deleteAll();
    await deleteUpstream(upstream);
    root.close();
    await server.stop();
  });

  it('is served as a role of its run, with an unmodified client without a password', async () => {
    const { user } = await callUpstream<{ user: string }>(place, 'query', 'sales');
    expect(user).toMatch(RUN_ROLE);
    expect(await listRunRoles()).toContain(user);
  });

  it('is refused another database', async () => {
    const answer = await callUpstream<{ message: string }>(place, 'query', 'other');
    expect(answer.message).toContain('valetkey: ');
  });

  /** Starts a pod that keeps a session. @returns the session's role */
  const holdSession = async (holder: PodRef): Promise<string> => {
    const command = buildUpstreamCommand('session', 'sales');
    await runPod({
      ...{ name: holder.pod, namespace: holder.namespace },
      tasks: { query },
      spec: { containers: [{ ...buildAgentContainer('agent', [], []), command }] },
    });
    const { session } = await waitForConsumerLine<{ session?: string }>(
      holder,
      'its session',
      (line) => line.session !== undefined,
    );
    expect(session).toMatch(RUN_ROLE);
    return session ?? '';
  };
  const waitForEnd = async (holder: PodRef, role: string): Promise<void> => {
    await waitForConsumerLine<{ ended?: boolean }>(
      holder,
      'the end of its session',
      (line) => line.ended === true,
    );
    await waitFor(`role ${role} to be dropped`, async () => {
      const roles = await listRunRoles();
      return !roles.includes(role);
    });
  };

  it('loses its session when its run is revoked, and the role is dropped', async () => {
    const holder: PodRef = { namespace: place.namespace, pod: 'holding' };
    const role = await holdSession(holder);
    await createRevocation(revocations.get('database-session'), {
      pod: { namespace: holder.namespace, name: holder.pod },
    });
    await waitForEnd(holder, role);
  });

  it('loses its session when its Upstream is deleted, and the role is dropped', async () => {
    const holder: PodRef = { namespace: place.namespace, pod: 'left' };
    const role = await holdSession(holder);
    await runKubectl(cluster, ['delete', 'upstream', upstream]);
    await waitForEnd(holder, role);
  });

  it('leaves only verifiers of passwords in the log of the server, which has every statement', () => {
    const passwords = [...server.readLog().matchAll(/CREATE ROLE "vk_[^;]* PASSWORD '([^']*)'/g)];
    expect(passwords.length).toBeGreaterThan(0);
    for (const [, text = ''] of passwords) expect(text).toMatch(/^SCRAM-SHA-256\$/);
  });
});
