import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import {
  createCertificateAuthority,
  signLeaf,
} from '../../lib/certificate/certificate-authority.ts';
import { splitBundle } from '../../lib/certificate/trust-bundle.ts';
import { WEBHOOK_ENV, WEBHOOK_TUNING_ENV } from '../../lib/contract/environment.ts';
import type { JsonPatchOp } from '../../lib/contract/json-patch-operation.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import { createKubernetesClient } from '../../lib/edge/kubernetes/kubernetes-client.ts';
import {
  startFakeApiServer,
  type FakeApiServer,
} from '../../lib/edge/kubernetes/fixtures/fake-api-server.ts';
import { applyPatch } from '../../lib/injection/json-patch.ts';
import { buildInjectionTemplate } from '../../lib/injection/injection-template.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import { listExemplars, PROMETHEUS_ACCEPT } from '../../test/kit/openmetrics.ts';
import { createClusterClient } from './cluster.ts';
import { readWebhookConfig, type WebhookConfig } from './config.ts';
import { startWebhook, type Webhook } from './webhook.ts';

jest.setTimeout(30_000);

const NAMESPACE = 'valetkey-system';
const NAME = `valetkey-webhook.${NAMESPACE}.svc`;
const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const CONFIGURATIONS = ['mutating', 'validating'].map(
  (kind) => `${ADMISSION}/${kind}webhookconfigurations/valetkey`,
);
const SECRET = `/api/v1/namespaces/${NAMESPACE}/secrets/valetkey-webhook-ca`;
const TEMPLATES = `/api/v1/namespaces/${NAMESPACE}/configmaps/valetkey-injection-templates`;

const PLATFORM = `
trust: cluster
sidecar: {image: "registry.example/valetkey:0.1.0"}
cloud: {region: eu-central-1}
tasks: {accountIds: ["111122223333"]}
`;

let folder: string;
let api: FakeApiServer;
const running: Webhook[] = [];
const agents: Agent[] = [];
/** Offset that tests add to real time. */
let aheadMs: number;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-webhook-'));
  api = await startFakeApiServer();
  aheadMs = 0;
});
afterEach(async () => {
  agents.splice(0).forEach((agent) => agent.destroy());
  await Promise.all(running.splice(0).map((webhook) => webhook.drain()));
  await api.close();
  rmSync(folder, { recursive: true });
});

const installObjects = (): void => {
  for (const path of CONFIGURATIONS) {
    const webhooks = [{ name: 'pods.valetkey.dev', clientConfig: { service: {} } }];
    api.put(path, { metadata: { name: 'valetkey' }, webhooks });
  }
  for (const path of [SECRET, TEMPLATES]) api.put(path, {});
};

const readBundles = (): readonly string[] =>
  CONFIGURATIONS.map((path) => {
    const [webhook] = (api.get(path)?.['webhooks'] ?? []) as {
      clientConfig: { caBundle?: string };
    }[];
    return Buffer.from(webhook?.clientConfig.caBundle ?? '', 'base64').toString();
  });

const configure = (
  environment: Record<string, string> = {},
  platform = PLATFORM,
): WebhookConfig => {
  const file = join(folder, 'platform.yaml');
  writeFileSync(file, platform);
  const config = readWebhookConfig({
    [WEBHOOK_ENV.platformFile]: file,
    [WEBHOOK_ENV.namespace]: NAMESPACE,
    [WEBHOOK_ENV.listen]: '127.0.0.1:0',
    [WEBHOOK_ENV.telemetry]: '127.0.0.1:0',
    ...environment,
  });
  if (!config.ok) throw new Error(JSON.stringify(config.faults));
  return config.value;
};

type Line = { readonly level: string; readonly message: string; readonly fields: unknown };
const createTestLog = (): { lines: Line[]; log: Log } => {
  const lines: Line[] = [];
  const at = (level: string) => (message: string, fields: unknown) =>
    void lines.push({ level, message, fields });
  return {
    lines,
    log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
  };
};

const start = async (config = configure(), isAlone = false) => {
  const { lines, log } = createTestLog();
  const webhook = await startWebhook(config, {
    cluster: isAlone ? undefined : createClusterClient(config, createKubernetesClient(api.config)),
    log,
    clock: { now: () => Date.now() + aheadMs, monotonic: () => performance.now() },
    random: () => 0.5,
    timings: { certificateMs: 20, templatesMs: 600_000, lingerMs: 100, graceMs: 1_000 },
  });
  running.push(webhook);
  return { webhook, lines };
};

const ask = (
  port: number,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, headers, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
    }).on('error', reject);
  });

const ready = (webhook: Webhook): Promise<true> =>
  waitUntil(async () => {
    const { status } = await ask(webhook.ports().telemetry, '/readyz');
    return status === 200 && webhook.ports().https !== undefined ? true : undefined;
  });

/** Calls the webhook like an API server: trusts this bundle for the Service's name. */
const createApiServerClient = (webhook: Webhook, ca = readBundles()[0] ?? '') => {
  const agent = new Agent({ keepAlive: true, ca: [...splitBundle(ca)], servername: NAME });
  agents.push(agent);
  const port = webhook.ports().https ?? 0;
  return (path: string, body: string): Promise<{ status: number; text: string }> =>
    new Promise((resolve, reject) => {
      const headers = { 'Content-Type': 'application/json' };
      request({ host: '127.0.0.1', port, path, method: 'POST', headers, agent }, (answer) => {
        let text = '';
        answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
      })
        .on('error', reject)
        .end(body);
    });
};

type Response = {
  readonly uid: string;
  readonly allowed: boolean;
  readonly patch?: string;
  readonly warnings?: readonly string[];
  readonly status?: { readonly code: number; readonly message: string };
};
const buildReview = (pod: unknown, members: object = {}): string =>
  JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'u-1',
      kind: { group: '', version: 'v1', kind: 'Pod' },
      operation: 'CREATE',
      namespace: 'research',
      object: pod,
      ...members,
    },
  });
const parseResponse = ({ text }: { text: string }): Response =>
  (JSON.parse(text) as { response: Response }).response;

const buildPod = (declaration: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'agent', annotations: { 'task.valetkey.dev/read': declaration } },
  spec: {
    serviceAccountName: 'agent',
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [
      {
        name: 'agent',
        image: 'agent:1',
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      },
    ],
  },
});
const TASK = `
role: arn:aws:iam::111122223333:role/reports
allow: [{actions: [s3:GetObject], resources: ["arn:aws:s3:::acme/reports/*"]}]
lifetime: 10m
`;

const inject = (pod: Pod, { patch = '' }: Response): Pod =>
  applyPatch(pod, JSON.parse(Buffer.from(patch, 'base64').toString()) as JsonPatchOp[]) as Pod;

describe('startWebhook', () => {
  it('creates its CA, publishes trust bundle and template, and becomes ready', async () => {
    installObjects();
    const { webhook } = await start();
    await ready(webhook);
    const [mutating = '', validating] = readBundles();
    expect(splitBundle(mutating)).toHaveLength(2);
    expect(validating).toBe(mutating);
    expect(Object.keys(api.get(SECRET)?.['data'] as object)).toContain('current.key');
    const { hash, text } = buildInjectionTemplate(configure().platform);
    expect(api.get(TEMPLATES)?.['data']).toEqual({ [hash]: text });
  });

  it('injects a pod and admits the result', async () => {
    installObjects();
    const { webhook } = await start();
    await ready(webhook);
    const post = createApiServerClient(webhook);
    const pod = buildPod(TASK);
    const mutated = parseResponse(await post('/mutate', buildReview(pod)));
    expect(mutated).toMatchObject({ uid: 'u-1', allowed: true });
    const injected = inject(pod, mutated);
    expect(injected.spec?.initContainers?.[0]?.name).toBe('valetkey-sidecar');
    expect(parseResponse(await post('/validate', buildReview(injected)))).toMatchObject({
      uid: 'u-1',
      allowed: true,
    });
    const { text } = await ask(webhook.ports().telemetry, '/metrics');
    expect(text).toContain('{operation="mutate",outcome="patched",reason="none"} 1');
    expect(text).toContain('valetkey_webhook_ca_bundle_trusted 1');
    expect(text).toContain('valetkey_webhook_injection_templates 1');
    expect(text).toMatch(/^valetkey_webhook_capacity_used\{resource="connections"\} [1-9]/m);
  });

  it('has the uid of a review in the exemplar of its duration', async () => {
    installObjects();
    const { webhook } = await start();
    await ready(webhook);
    const post = createApiServerClient(webhook);
    const uid = '0d7f8f2e-5a52-4f3e-9d8f-111111111111';
    await post('/mutate', buildReview(buildPod(TASK), { uid }));
    const { text } = await ask(webhook.ports().telemetry, '/metrics', {
      Accept: PROMETHEUS_ACCEPT,
    });
    expect(listExemplars(text, 'valetkey_webhook_admission_duration_seconds')).toEqual([
      { request_id: uid },
    ]);
  });

  it('refuses a pod with every fault, and records it in log and metrics', async () => {
    installObjects();
    const { webhook, lines } = await start();
    await ready(webhook);
    const post = createApiServerClient(webhook);
    const bad = 'role: x\nallow: []\nlifetime: 10y\nmore: 1\n';
    const { allowed, status, uid } = parseResponse(
      await post('/mutate', buildReview(buildPod(bad))),
    );
    expect({ allowed, uid, code: status?.code }).toEqual({ allowed: false, uid: 'u-1', code: 403 });
    for (const culprit of ['role', 'allow', 'lifetime', 'more']) {
      expect(status?.message).toContain(`task.valetkey.dev/read ${culprit}`);
    }
    const line = lines.find(({ message }) => message === 'admission answered');
    expect(line?.fields).toMatchObject({
      outcome: 'denied',
      request: 'u-1',
      namespace: 'research',
      rules: ['declaration'],
      detail: expect.stringContaining('task.valetkey.dev/read lifetime: expected') as unknown,
    });
    const { text } = await ask(webhook.ports().telemetry, '/metrics');
    expect(text).toContain('{operation="mutate",outcome="denied",reason="declaration"} 1');
  });

  it('warns about a workload whose pods it would refuse, and admits it', async () => {
    installObjects();
    const { webhook } = await start();
    await ready(webhook);
    const post = createApiServerClient(webhook);
    const review = buildReview({ spec: { template: buildPod('role: x\n') } });
    const answer = parseResponse(await post('/warn-workload', review));
    expect(answer).toMatchObject({ uid: 'u-1', allowed: true });
    expect(answer.warnings?.join()).toContain('its pods will be refused: task.valetkey.dev/read');
  });

  it('refuses a task whose session policy is too long for STS', async () => {
    installObjects();
    const { webhook } = await start();
    await ready(webhook);
    const post = createApiServerClient(webhook);
    const resources = Array.from(
      { length: 40 },
      (_, i) => `"arn:aws:s3:::acme/${'x'.repeat(40)}${i}"`,
    );
    const large = `
role: arn:aws:iam::111122223333:role/reports
allow: [{actions: [s3:GetObject], resources: [${resources.join(', ')}]}]
lifetime: 10m
`;
    const { status } = parseResponse(await post('/mutate', buildReview(buildPod(large))));
    expect(status?.message).toContain('at most 2048 characters');
  });

  it('returns 400 for a body that is not a review, with the field', async () => {
    installObjects();
    const { webhook } = await start();
    await ready(webhook);
    const post = createApiServerClient(webhook);
    const { status, text } = await post('/mutate', buildReview(buildPod(TASK), { uid: 7 }));
    expect(status).toBe(400);
    expect(text).toContain('/request/uid');
    expect((await post('/validate', '[]')).status).toBe(400);
  });

  it('evaluates a dry run like other requests, and writes nothing', async () => {
    installObjects();
    const { webhook } = await start();
    await ready(webhook);
    const post = createApiServerClient(webhook);
    const writes = () => api.requests.filter((one) => !one.startsWith('GET')).length;
    const before = writes();
    const pod = buildPod(TASK);
    const dry = parseResponse(await post('/mutate', buildReview(pod, { dryRun: true })));
    expect(dry).toEqual(parseResponse(await post('/mutate', buildReview(pod))));
    expect(writes()).toBe(before);
  });
});

describe('a replica', () => {
  it('is not ready until both configurations trust it, and reports what is missing', async () => {
    const { webhook, lines } = await start();
    const line = await waitUntil(() =>
      lines.find(({ message }) => message === 'certificate renewal failed'),
    );
    expect(line.fields).toMatchObject({ code: 'notFound' });
    const { status, text } = await ask(webhook.ports().telemetry, '/readyz');
    expect({ status, text }).toEqual({
      status: 503,
      text: expect.stringContaining('certificate') as unknown,
    });
    expect((await ask(webhook.ports().telemetry, '/healthz')).status).toBe(200);
    installObjects();
    await ready(webhook);
  });

  it('accepts immediately what a replica with other settings injected', async () => {
    installObjects();
    const old = await start();
    await ready(old.webhook);
    const other = await start(configure({}, PLATFORM.replace(':0.1.0', ':0.2.0')));
    await ready(other.webhook);
    const pod = buildPod(TASK);
    const byOther = createApiServerClient(other.webhook);
    const injected = inject(pod, parseResponse(await byOther('/mutate', buildReview(pod))));
    const byOld = createApiServerClient(old.webhook);
    expect(parseResponse(await byOld('/validate', buildReview(injected))).allowed).toBe(true);
  });

  it('refuses a template that no replica has published', async () => {
    installObjects();
    const { webhook } = await start();
    await ready(webhook);
    const post = createApiServerClient(webhook);
    const pair = await writeCertificatePair();
    const environment = { [WEBHOOK_ENV.certificates]: 'files', ...buildFileEnvironment(pair) };
    const evil = configure(environment, PLATFORM.replace(':0.1.0', ':evil'));
    const stranger = await start(evil, true);
    await ready(stranger.webhook);
    const pod = buildPod(TASK);
    const strange = createApiServerClient(stranger.webhook, pair.ca);
    const injected = inject(pod, parseResponse(await strange('/mutate', buildReview(pod))));
    const { allowed, status } = parseResponse(await post('/validate', buildReview(injected)));
    expect(allowed).toBe(false);
    expect(status?.message).toContain('rule 2');
  });

  it('publishes its template again after the chart creates a deleted ConfigMap again', async () => {
    installObjects();
    const { webhook } = await start();
    await ready(webhook);
    api.remove(TEMPLATES);
    api.put(TEMPLATES, {});
    const { hash } = buildInjectionTemplate(configure().platform);
    await waitUntil(
      () => (api.get(TEMPLATES)?.['data'] as Record<string, string> | undefined)?.[hash],
    );
    await ready(webhook);
  });
});

describe('a CA rotation', () => {
  it('replaces the certificate of every replica without failed requests', async () => {
    installObjects();
    const replicas = [await start(), await start()];
    for (const { webhook } of replicas) await ready(webhook);
    const before = readBundles()[0] ?? '';
    const cachedAgent = replicas.map(({ webhook }) => createApiServerClient(webhook, before));
    const pod = buildPod(TASK);
    for (const post of cachedAgent)
      expect(parseResponse(await post('/mutate', buildReview(pod))).allowed).toBe(true);

    aheadMs = 120_000;
    const secret = api.get(SECRET) ?? { metadata: {} };
    const annotations = { 'valetkey.dev/rotate': 'monday' };
    api.put(SECRET, { ...secret, metadata: { ...secret.metadata, annotations } });
    await waitUntil(() =>
      replicas.every(
        ({ lines }) => lines.filter(({ message }) => message === 'certificate in use').length === 2,
      )
        ? true
        : undefined,
    );

    for (const post of cachedAgent)
      expect(parseResponse(await post('/mutate', buildReview(pod))).allowed).toBe(true);
    const [first = '', second = ''] = splitBundle(readBundles()[0] ?? '');
    expect(splitBundle(before)).not.toContain(second);
    for (const { webhook } of replicas) {
      await ready(webhook);
      // The new CA was in the trust bundle before it signed a certificate.
      expect(splitBundle(before)).toContain(first);
      for (const bundle of [before, ...readBundles(), first]) {
        const fresh = createApiServerClient(webhook, bundle);
        expect(parseResponse(await fresh('/mutate', buildReview(pod))).allowed).toBe(true);
      }
    }
  });
});

describe('under trust: authority', () => {
  const AUTHORITY = `
sidecar: {image: "registry.example/valetkey:0.1.0"}
cloud: {region: eu-central-1}
tasks: {accountIds: ["111122223333"]}
authority: {endpoint: "https://authority.example", issuer: "https://issuer.example", trustDomain: td.example}
`;
  const ROOTS = `/api/v1/namespaces/${NAMESPACE}/configmaps/valetkey-authority-trust-bundle`;
  const POLICIES = '/apis/valetkey.dev/v1alpha1/taskpolicies';
  const PERMIT = 'permit (principal, action == Action::"run", resource);';

  const rootText = async (): Promise<string> =>
    (await createCertificateAuthority({ now: Date.now(), lifetimeMs: 3_600_000 })).certificate;
  const putRoots = (roots: string): void =>
    api.put(ROOTS, {
      metadata: { name: 'valetkey-authority-trust-bundle', namespace: NAMESPACE },
      data: { 'ca-bundle.pem': roots },
    });
  const putPolicy = (cedar: string, generation = 1): void => {
    const metadata = { name: 'team', uid: 'p-1', generation };
    api.put(`${POLICIES}/team`, { metadata, spec: { cedar } });
  };
  const startReady = async (roots: string, more = '') => {
    installObjects();
    putRoots(roots);
    putPolicy(PERMIT);
    api.put('/api/v1/namespaces/research', { metadata: { name: 'research', labels: {} } });
    const config = configure({}, `${AUTHORITY}${more}`);
    const started = await start(config);
    await ready(started.webhook);
    return { ...started, config, post: createApiServerClient(started.webhook) };
  };
  const rootsIn = (pod: Pod): string => {
    const { env } = pod.spec?.initContainers?.[0] ?? {};
    const text = env?.find(({ name }) => name === 'VALETKEY_AUTHORITY')?.value ?? '{}';
    return (JSON.parse(text) as { roots: string }).roots;
  };

  it('is not ready until the trust bundle is known', async () => {
    installObjects();
    const { webhook } = await start(configure({}, AUTHORITY));
    await waitUntil(() => webhook.ports().https);
    const unready = await ask(webhook.ports().telemetry, '/readyz');
    expect(unready).toMatchObject({
      status: 503,
      text: expect.stringContaining('injection_templates'),
    });
    const post = createApiServerClient(webhook);
    const { status } = parseResponse(await post('/mutate', buildReview(buildPod(TASK))));
    expect(status?.code).toBe(503);
    putRoots(await rootText());
    await ready(webhook);
  });

  it('injects the current trust bundle, and publishes a new template before it injects it', async () => {
    const [first, second] = [await rootText(), await rootText()];
    const { post, config } = await startReady(first);
    const pod = buildPod(TASK);
    const before = inject(pod, parseResponse(await post('/mutate', buildReview(pod))));
    expect(rootsIn(before)).toBe(first);
    putRoots(`${first}${second}`);
    const after = await waitUntil(async () => {
      const injected = inject(pod, parseResponse(await post('/mutate', buildReview(pod))));
      return rootsIn(injected) === first ? undefined : injected;
    });
    expect(rootsIn(after)).toBe(`${first}${second}`);
    const { hash } = buildInjectionTemplate(config.platform, `${first}${second}`);
    expect(Object.keys(api.get(TEMPLATES)?.['data'] as object)).toContain(hash);
    for (const injected of [before, after]) {
      expect(parseResponse(await post('/validate', buildReview(injected))).allowed).toBe(true);
    }
  });

  it('refuses tasks that policy denies, and applies policy changes immediately', async () => {
    const { post } = await startReady(await rootText());
    const pod = buildPod(TASK);
    const injected = inject(pod, parseResponse(await post('/mutate', buildReview(pod))));
    putPolicy(PERMIT.replace('permit', 'forbid'), 2);
    const denied = await waitUntil(async () => {
      const response = parseResponse(await post('/validate', buildReview(injected)));
      return response.allowed ? undefined : response;
    });
    expect(denied.status?.message).toContain('task.valetkey.dev/read (policy)');
    expect(denied.status?.message).toContain('forbidden by team/');
    putPolicy(PERMIT, 3);
    await waitUntil(async () =>
      parseResponse(await post('/validate', buildReview(injected))).allowed ? true : undefined,
    );
  });

  it('admits delivery vend under policy.vend: exception only by a dated permit', async () => {
    const { post } = await startReady(await rootText(), 'policy: {vend: exception}\n');
    const pod = buildPod(TASK);
    const injected = inject(pod, parseResponse(await post('/mutate', buildReview(pod))));
    const denied = parseResponse(await post('/validate', buildReview(injected)));
    expect(denied.status?.message).toContain('use delivery: sign');
    const day = (ahead: number) =>
      new Date(Date.now() + ahead * 86_400_000).toISOString().slice(0, 10);
    const annotate = (ahead: number) => `@until("${day(ahead)}") @reason("cannot sign") ${PERMIT}`;
    putPolicy(annotate(30), 2);
    await waitUntil(async () =>
      parseResponse(await post('/validate', buildReview(injected))).allowed ? true : undefined,
    );
    const kind = { group: 'valetkey.dev', version: 'v1alpha1', kind: 'TaskPolicy' };
    const write = async (ahead: number) => {
      const object = { metadata: { name: 'mine' }, spec: { cedar: annotate(ahead) } };
      return parseResponse(
        await post('/validate-policy', buildReview(object, { kind, name: 'mine' })),
      );
    };
    expect((await write(120)).status?.message).toContain('at most 90 days ahead');
    expect(await write(30)).toMatchObject({ allowed: true });
  });

  it('refuses a pod that only projects a token for the authority', async () => {
    const { post } = await startReady(await rootText());
    const sources = [{ serviceAccountToken: { audience: 'authority.valetkey.dev', path: 't' } }];
    const spec = { containers: [{ name: 'a' }], volumes: [{ name: 't', projected: { sources } }] };
    const { status } = parseResponse(await post('/validate', buildReview({ metadata: {}, spec })));
    expect(status?.message).toMatch(/audience: .* \(rule 5\)/);
  });

  it('validates TaskPolicies', async () => {
    const { webhook, post } = await startReady(await rootText());
    const kind = { group: 'valetkey.dev', version: 'v1alpha1', kind: 'TaskPolicy' };
    const policy = { metadata: { name: 'mine' }, spec: { cedar: `${PERMIT}\npermit` } };
    const answer = await post('/validate-policy', buildReview(policy, { kind, name: 'mine' }));
    expect(parseResponse(answer).status?.message).toMatch(/^TaskPolicy mine line 2/);
    const { text } = await ask(webhook.ports().telemetry, '/metrics');
    expect(text).toContain('{operation="validate-policy",outcome="denied",reason="policy"} 1');
    expect(text).toMatch(/watch_last_sync_timestamp_seconds\{resource="taskpolicies"\} \d/);
  });
});

describe('certificates in files', () => {
  it('are served, and replaced when the files change', async () => {
    const first = await writeCertificatePair();
    const config = configure({
      [WEBHOOK_ENV.certificates]: 'files',
      ...buildFileEnvironment(first),
    });
    const { webhook } = await start(config, true);
    await ready(webhook);
    const pod = buildPod(TASK);
    const old = createApiServerClient(webhook, first.ca);
    expect(parseResponse(await old('/mutate', buildReview(pod))).allowed).toBe(true);
    const second = await writeCertificatePair();
    await waitUntil(async () => {
      const fresh = createApiServerClient(webhook, second.ca);
      return fresh('/mutate', buildReview(pod)).catch(() => undefined);
    });
    expect(parseResponse(await old('/mutate', buildReview(pod))).allowed).toBe(true);
  });

  it('that do not match leave the current certificate in use', async () => {
    const first = await writeCertificatePair();
    const config = configure({
      [WEBHOOK_ENV.certificates]: 'files',
      ...buildFileEnvironment(first),
    });
    const { webhook, lines } = await start(config, true);
    await ready(webhook);
    writeFileSync(join(first.folder, 'tls.key'), 'half a ke');
    const line = await waitUntil(() =>
      lines.find(({ message }) => message === 'certificate renewal failed'),
    );
    expect(JSON.stringify(line.fields)).toContain('tls.key');
    expect(JSON.stringify(line.fields)).not.toContain('half a ke');
    await ready(webhook);
  });

  it('make the webhook ready once both configurations have a trust bundle', async () => {
    installObjects();
    const { folder: kept, ca } = await writeCertificatePair();
    const config = configure({
      [WEBHOOK_ENV.certificates]: 'files',
      ...buildFileEnvironment({ folder: kept }),
    });
    const { webhook } = await start(config);
    await waitUntil(() => webhook.ports().https);
    const { text } = await ask(webhook.ports().telemetry, '/readyz');
    expect(text).toContain('certificate');
    for (const path of CONFIGURATIONS) {
      const webhooks = [
        { name: 'w', clientConfig: { caBundle: Buffer.from(ca).toString('base64') } },
      ];
      api.put(path, { metadata: { name: 'valetkey' }, webhooks });
    }
    await ready(webhook);
    expect(api.get(SECRET)?.['data']).toBeUndefined();
  });
});

describe('draining', () => {
  it('fails readiness immediately, serves for a while, then ends', async () => {
    installObjects();
    const { webhook } = await start();
    await ready(webhook);
    const post = createApiServerClient(webhook);
    const drained = webhook.drain();
    running.splice(0);
    const { status, text } = await ask(webhook.ports().telemetry, '/readyz');
    expect({ status, text }).toEqual({ status: 503, text: 'not ready: draining\n' });
    expect(parseResponse(await post('/mutate', buildReview(buildPod(TASK)))).allowed).toBe(true);
    await drained;
    await expect(post('/mutate', '{}')).rejects.toThrow();
  });
});

const buildFileEnvironment = ({ folder: where }: { folder: string }): Record<string, string> => ({
  [WEBHOOK_ENV.certificatesFolder]: where,
  [WEBHOOK_TUNING_ENV.cluster]: 'none',
});

/** Writes tls.crt and tls.key of a new authority into the test's folder. */
const writeCertificatePair = async () => {
  const terms = { now: Date.now(), lifetimeMs: 3_600_000 };
  const authority = await createCertificateAuthority(terms);
  const leaf = await signLeaf(authority, { names: [NAME], ...terms });
  writeFileSync(join(folder, 'tls.crt'), leaf.certificate);
  writeFileSync(join(folder, 'tls.key'), leaf.key);
  return { folder, ca: authority.certificate };
};
