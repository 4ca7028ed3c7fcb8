import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { WEBHOOK_TELEMETRY_LISTEN } from '../../../lib/contract/paths.ts';
import { buildScramVerifier } from '../../../lib/postgres/scram.ts';
import { createBareRepository, createGitServer } from '../../../test/kit/git-http-backend.ts';
import { waitFor } from '../../../test/kit/retry.ts';
import { execInPod, getJson, runKubectl } from '../../cluster/kubectl.ts';
import { newPassword, prepareDatabases } from '../../postgres-runs.ts';
import { startPostgres, type PostgresServer } from '../../postgres-server.ts';
import { UPSTREAM_SECRETS, listWebhookPods } from '../../release.ts';
import { listReplicaPods } from '../authority/authority-replicas.ts';
import { listReplicas, readTelemetry } from '../authority/authority-requests.ts';
import { readRecords } from '../authority/audit-records.ts';
import { startEverything } from '../gateway/mcp-servers.ts';
import { startOAuthServer, type OAuthServer } from '../gateway/oauth-server.ts';
import { matchMemory, readProcessEnvironment, searchMemory } from '../gateway/process-memory.ts';
import {
  buildBearerSpec,
  callUpstream,
  createUpstream,
  deleteUpstream,
  getUpstreamName,
  nodeAddress,
  serveOnNode,
  type NodeServer,
} from '../gateway/upstream-objects.ts';
import {
  findProcessId,
  listContainerProcesses,
  readContainerStatus,
  readPodAddress,
  readPodUid,
  readSidecarStatus,
  type ContainerStatus,
} from '../node-access.ts';
import { createSecretSearch } from '../node-search.ts';
import { cluster, createNamespace, runPod, testContext, type PodRef } from '../test-context.ts';

const { node, release } = testContext;
if (node === undefined) throw new Error('expected a cluster on this machine, to read its disks');

const MINUTE = 60_000;
const createKey = (prefix: string): string => `${prefix}-canary-${randomBytes(24).toString('hex')}`;

type StoredObject = { kind: string; metadata: { namespace?: string; name: string } };

/** Reads every object that the API server can list. */
const readAllObjects = async (): Promise<StoredObject[]> => {
  const { stdout } = await runKubectl(cluster, ['api-resources', '--verbs=list,get', '-o', 'name']);
  const resources = stdout.trim().split('\n');
  return (await getJson<{ items: StoredObject[] }>(cluster, [resources.join(','), '-A'])).items;
};

const listProcesses = async (status: ContainerStatus): Promise<string[]> =>
  listContainerProcesses(await findProcessId(node, status));

/** Where Secrets of the cluster are at home: etcd does not encrypt them in this cluster. */
const isHomeOfSecrets = (found: string): boolean => found.includes(` in ${node.folder}/etcd/`);

/** What the tests themselves keep, of the secrets that other tests search for. */
const isOwnFile = (found: string): boolean => found.includes(` in ${node.folder}/issued-`);

/** A password of a run: 32 bytes in base64url, and nothing around it. */
const RUN_PASSWORD = /(?<![\w-])[\w-]{43}(?![\w-])/g;

/**
 * Finds the password of the role of a run, which only its sidecar keeps: the server has a verifier of it.
 *
 * @param processes of the sidecar
 * @param verifier that the server stores
 */
const findRunPassword = (processes: readonly string[], verifier: string): string => {
  const [, salt = ''] = /^SCRAM-SHA-256\$\d+:([^$]+)\$/.exec(verifier) ?? [];
  const password = processes
    .flatMap((id) => matchMemory(id, RUN_PASSWORD))
    .find((each) => buildScramVerifier(each, Buffer.from(salt, 'base64')) === verifier);
  if (password === undefined) throw new Error('expected the password in the memory of the sidecar');
  return password;
};

describe('secrets of Upstreams that a pod used: keys, logins and the token of an OAuth server', () => {
  const place: PodRef = { namespace: '', pod: 'canaries' };
  const names = {
    model: getUpstreamName('canary-model'),
    forge: getUpstreamName('canary-forge'),
    orders: getUpstreamName('canary-orders'),
    tools: getUpstreamName('canary-tools'),
    sales: getUpstreamName('canary-sales'),
  };
  const keys = {
    ...{ model: createKey('sk'), forge: createKey('ghp'), tools: createKey('mcp') },
    /** Of the role that creates the roles of runs: the authority's alone. */
    admin: newPassword(),
  };
  let runPassword = '';
  let postgres: PostgresServer;
  const root = mkdtempSync(join(tmpdir(), 'canaries-'));
  const servers: NodeServer[] = [];
  const tokens: string[] = [];
  /** Text of the client's private key: none of its first lines, which are the same in many keys. */
  let clientKey = '';
  let oauth: OAuthServer;
  let startedAt: number;
  let search: ReturnType<typeof createSecretSearch>;

  const serve = async (created: Server): Promise<string> => {
    const server = await serveOnNode(created);
    servers.push(server);
    return server.origin;
  };

  const createUpstreams = async () => {
    const model = await serve(
      createServer((request, response) => {
        const isKnown = request.headers.authorization === `Bearer ${keys.model}`;
        response.writeHead(isKnown ? 200 : 401).end('model');
      }),
    );
    const orders = await serve(
      createServer((request, response) => {
        const { authorization = '' } = request.headers;
        if (authorization !== '') tokens.push(authorization.replace('Bearer ', ''));
        response.end('orders');
      }),
    );
    mkdirSync(join(root, 'acme'));
    createBareRepository(root, 'acme/web.git');
    const authorization = `Basic ${Buffer.from(`x-access-token:${keys.forge}`).toString('base64')}`;
    const forge = await serve(createGitServer({ root, authorization }));
    const basic = { basic: { username: 'x-access-token' } };
    await createUpstream(names.model, {
      spec: buildBearerSpec(names.model, model),
      secret: { text: keys.model, origin: model },
    });
    await createUpstream(names.forge, {
      spec: { ...buildBearerSpec(names.forge, forge), protocol: 'git', present: basic },
      secret: { text: keys.forge, origin: forge },
    });
    const { origin, caBundle, privateKey } = oauth;
    const source = {
      ...{ tokenUrl: `${origin}/token`, revocationUrl: `${origin}/token/revocation`, caBundle },
      ...{ clientId: 'valetkey', auth: 'privateKeyJwt', scopes: ['read'] },
      key: { name: names.orders, key: 'token' },
    };
    const everything = await startEverything(keys.tools);
    servers.push({ ...everything, origin: new URL(everything.url).origin });
    await createUpstream(names.tools, {
      spec: { ...buildBearerSpec(names.tools, everything.url), protocol: 'mcp' },
      secret: { text: keys.tools, origin: new URL(everything.url).origin },
    });
    const { port } = postgres;
    const admin = { name: names.sales, key: 'token' };
    const templates = [{ role: 'app', level: 'Write' }];
    await createUpstream(names.sales, {
      spec: {
        postgres: { ...{ host: nodeAddress, port, admin, templates }, caBundle: postgres.caBundle },
      },
      secret: {
        ...{ text: `valetkey:${keys.admin}`, origin: `postgres://${nodeAddress}:${port}` },
        hidden: keys.admin,
      },
    });
    await createUpstream(names.orders, {
      spec: { ...buildBearerSpec(names.orders, orders), secret: { oauth: source } },
      secret: { text: privateKey, origin, hidden: clientKey },
    });
    return { model, orders, forge };
  };

  const runInPod = async (...command: string[]): Promise<string> =>
    (await execInPod(cluster, { ...place, container: 'agent' }, command)).stdout;

  /** Uses the MCP server and the database with unmodified clients. @returns the password of the run's role */
  const useOthers = async (): Promise<string> => {
    const plan = JSON.stringify([{ name: 'echo', arguments: { message: 'tools' } }]);
    expect(await callUpstream(place, 'mcp', 'tools', 'legacy', plan)).toMatchObject({
      calls: [{ isError: false, text: 'Echo: tools' }],
    });
    const { user } = await callUpstream<{ user: string }>(place, 'query', 'sales');
    const root = await postgres.connect({ user: 'postgres', password: postgres.password });
    const [row] = await root.query(`SELECT rolpassword FROM pg_authid WHERE rolname = '${user}'`);
    root.close();
    return findRunPassword(await listProcesses(await readSidecarStatus(place)), row?.[0] ?? '');
  };

  const call = (task: string) =>
    runInPod('/usr/bin/node', '/app/calls.mjs', 'get', task, '/v1/items');

  beforeAll(async () => {
    startedAt = Date.now() - 1_000;
    postgres = await startPostgres(undefined, nodeAddress);
    await prepareDatabases(postgres, keys.admin);
    oauth = await startOAuthServer();
    clientKey = oauth.privateKey.split('\n')[6] ?? '';
    const { model, orders, forge } = await createUpstreams();
    place.namespace = await createNamespace('canaries');
    const shared = { provider: 'http', delivery: 'sign' };
    const read = (origin: string) => [{ actions: ['http:GET'], resources: [`${origin}/v1/items`] }];
    const fetched = [{ actions: ['git:fetch'], resources: [`git://${names.forge}/acme/web`] }];
    await runPod({
      ...{ name: place.pod, namespace: place.namespace },
      tasks: {
        model: { ...shared, role: names.model, allow: read(model) },
        orders: { ...shared, role: names.orders, allow: read(orders) },
        forge: { ...shared, role: names.forge, client: 'git', allow: fetched },
        tools: {
          ...{ ...shared, role: names.tools },
          allow: [{ actions: ['mcp:tools/call'], resources: [`mcp://${names.tools}/tools/echo`] }],
        },
        sales: {
          ...{ ...shared, provider: 'postgres', role: `${names.sales}/app` },
          allow: [
            { actions: ['postgres:connect'], resources: [`postgres://${names.sales}/sales`] },
          ],
        },
      },
    });
    expect(JSON.parse(await call('model'))).toEqual({ status: 200, text: 'model' });
    expect(JSON.parse(await call('orders'))).toEqual({ status: 200, text: 'orders' });
    const clone = `cd /tmp && git clone ${forge}/acme/web.git web 2>&1; echo "status $?"`;
    expect(await runInPod('/bin/sh', '-c', clone)).toContain('status 0');
    runPassword = await useOthers();
    search = createSecretSearch([
      { name: 'the key', text: keys.model },
      { name: 'the login', text: keys.forge },
      { name: 'the key of the MCP server', text: keys.tools },
      { name: 'the login of the authority at the database', text: keys.admin },
      { name: 'the password of the run', text: runPassword },
      { name: 'the token', text: tokens[0] ?? '' },
      { name: "the client's key", text: clientKey },
    ]);
  }, 5 * MINUTE);

  afterAll(async () => {
    for (const name of Object.values(names)) await deleteUpstream(name);
    for (const { close } of servers) await close();
    await oauth.close();
    await postgres.stop();
    rmSync(root, { recursive: true, force: true });
  });

  // What is live or kept for minutes comes first: the search of disks takes time.
  it('are in no record of the authority, which name their runs', async () => {
    const uid = await readPodUid(place);
    const own = (await readRecords()).filter(({ unmapped }) => unmapped.pod_uid === uid);
    const issued = own.filter(({ unmapped }) => unmapped.kind === 'run.issued');
    expect(new Set(issued.map(({ unmapped }) => unmapped.task))).toEqual(
      new Set(['model', 'orders', 'forge', 'tools', 'sales']),
    );
    expect(search.findSecrets(JSON.stringify(await readRecords()))).toEqual([]);
  });

  it('are in no metric of a program', async () => {
    const sidecar = await fetch(`http://${await readPodAddress(place)}:9472/metrics`);
    const authorities = (await listReplicas()).map(({ name }) => readTelemetry(name));
    const webhooks = (await listWebhookPods(cluster, release.namespace)).map(async ({ status }) =>
      (await fetch(`http://${status.podIP}:${WEBHOOK_TELEMETRY_LISTEN}/metrics`)).text(),
    );
    const pages = [await sidecar.text(), ...(await Promise.all([...authorities, ...webhooks]))];
    expect(pages.length).toBeGreaterThan(2);
    for (const page of pages) {
      expect(page).toContain('valetkey_build_info');
      expect(search.findSecrets(page)).toEqual([]);
    }
  });

  it(
    'are in no memory of the agent, and in no environment of its pod or of the authority',
    async () => {
      const texts = [...Object.values(keys), runPassword, tokens[0] ?? ''];
      const sidecar = await listProcesses(await readSidecarStatus(place));
      const held = sidecar.flatMap((id) => searchMemory(id, texts).found);
      expect(held).toEqual(expect.arrayContaining([keys.model, keys.tools, runPassword]));
      expect(held).not.toContain(keys.admin);
      const agent = await listProcesses(await readContainerStatus(place));
      for (const id of agent) {
        const { found, bytes } = searchMemory(id, texts);
        expect(bytes).toBeGreaterThan(0);
        expect(found).toEqual([]);
      }
      const replicas = (await listReplicaPods()).flatMap(
        ({ status }) => status.containerStatuses ?? [],
      );
      const authority = (await Promise.all(replicas.map(listProcesses))).flat();
      const environments = [...sidecar, ...agent, ...authority].map(readProcessEnvironment);
      expect(environments.join('\n')).toContain('VALETKEY_');
      expect(search.findSecrets(environments.join('\n'))).toEqual([]);
    },
    5 * MINUTE,
  );

  it('are in no object but their own Secrets, Events included', async () => {
    const objects = await readAllObjects();
    const kinds = new Set(objects.map(({ kind }) => kind));
    const expected = ['ConfigMap', 'Event', 'Pod', 'Upstream'];
    expect(expected.filter((kind) => !kinds.has(kind))).toEqual([]);
    const holders = objects
      .filter((object) => search.findSecrets(JSON.stringify(object)).length > 0)
      .map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`);
    expect(holders.toSorted()).toEqual(
      Object.values(names)
        .map((name) => `Secret ${UPSTREAM_SECRETS}/${name}`)
        .toSorted(),
    );
  });

  it(
    'are on no disk of the node, except those of the cluster in etcd',
    () => {
      const { files, found } = search.searchFolder(node.folder, startedAt);
      expect(files).toBeGreaterThan(10);
      expect(found.filter((one) => !isHomeOfSecrets(one) && !isOwnFile(one))).toEqual([]);
      // A key of the cluster is found where it must be, so the search works; a token of a run is not there.
      expect(found.filter(isHomeOfSecrets).join('\n')).toContain('the key');
      const ofRuns = ['the token', 'the password of the run'];
      expect(found.filter((one) => ofRuns.some((each) => one.startsWith(each)))).toEqual([]);
    },
    5 * MINUTE,
  );

  it(
    'are in no log of a container or of the node, whenever it was written',
    () => {
      for (const folder of [node.podLogsFolder, node.logsFolder]) {
        const { files, found } = search.searchFolder(folder, 0);
        expect(files).toBeGreaterThan(0);
        expect(found).toEqual([]);
      }
    },
    5 * MINUTE,
  );

  it('of a run end with its pod: the OAuth server has revoked the token', async () => {
    await runKubectl(cluster, ['delete', 'pod', place.pod, '-n', place.namespace, '--wait=false']);
    await waitFor('the token to be revoked', () => oauth.revoked.includes(tokens[0] ?? ''));
  });
});
