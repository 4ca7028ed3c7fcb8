import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rm } from 'node:fs/promises';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { Jwks } from '../../../lib/grant/issuer-documents.ts';
import type { JsonObject } from '../../../test/fakes/api-server/resource-store.ts';
import { createClusterClient } from '../cluster.ts';
import {
  CLUSTER_PLATFORM,
  createJwks,
  PLATFORM,
  runCli,
  S3_PLATFORM,
} from '../fixtures/cli-harness.ts';
import {
  ADMISSION_API,
  APPS,
  JWKS_PROXY_PATH,
  startEmbeddedInstallation,
  type EmbeddedInstallation,
} from '../fixtures/embedded-installation.ts';
import type { Io } from '../io.ts';
import { readPlatform } from '../../../lib/config/platform-parser.ts';
import { runProgram } from '../program.ts';
import { buildSamplePod, checkAdmission } from './admission-checks.ts';
import { CHECK_IDS, type CheckId } from './check-row.ts';
import { checkIssuer } from './issuer-checks.ts';
import { checkClockSkew, checkNativeSidecars } from './server-checks.ts';

const ISSUER = 'https://issuer.example/valetkey';
const jwks = await createJwks();

let installation: EmbeddedInstallation;
beforeEach(async () => {
  installation = await startEmbeddedInstallation(jwks);
});
afterEach(async () => {
  await installation.server.close();
  await rm(dirname(installation.kubeconfig), { recursive: true });
});

type Row = {
  readonly id: CheckId;
  readonly outcome: string;
  readonly problems: readonly string[];
  readonly hint?: string;
  readonly docs: string;
};

type Environment = {
  /** Whether the webhook adds its sidecar. */
  readonly isInjecting?: boolean;
  readonly published?: Jwks;
  /** Milliseconds by which this machine's clock is behind. */
  readonly behindMs?: number;
};

const runCheck = async (words: readonly string[] = [], environment: Environment = {}) => {
  const { isInjecting = true, published = jwks, behindMs = 0 } = environment;
  let out = '';
  const documents: Readonly<Record<string, unknown>> = {
    [`${ISSUER}/.well-known/openid-configuration`]: { issuer: ISSUER, jwks_uri: `${ISSUER}/keys` },
    [`${ISSUER}/keys`]: published,
  };
  const io = {
    out: (text: string) => void (out += text),
    error: (text: string) => void (out += text),
    createClusterClient: (options) => {
      const client = createClusterClient(options);
      const inject = (pod: JsonObject) => ({
        ...pod,
        spec: { ...(pod['spec'] as object), initContainers: [{ name: 'valetkey-sidecar' }] },
      });
      return {
        ...client,
        dryRunPod: (namespace, pod) =>
          client.dryRunPod(namespace, isInjecting ? inject(pod as JsonObject) : pod),
      };
    },
    fetchDocument: (url: string) => Promise.resolve(documents[url]),
    now: () => Date.now() - behindMs,
    newId: () => 'id',
  } as Partial<Io> as Io;
  const { kubeconfig } = installation;
  const code = await runProgram(['check', '--kubeconfig', kubeconfig, ...words], io);
  return { code, out };
};

const readRows = async (
  environment?: Environment,
  words: readonly string[] = [],
): Promise<{ readonly code: number; readonly rows: readonly Row[] }> => {
  const { code, out } = await runCheck(['-o', 'json', ...words], environment);
  return { code, rows: (JSON.parse(out) as { readonly rows: readonly Row[] }).rows };
};

/** Changes one object of the API server. */
const change = (path: string, edit: (object: JsonObject) => JsonObject | undefined): void => {
  const { objects } = installation.server;
  const found = objects.get(path);
  if (found === undefined) throw new Error(`${path}: expected an object, got nothing`);
  const edited = edit(found);
  if (edited === undefined) objects.remove(path);
  else objects.replace(path, edited);
};
const remove = () => undefined;
const setSpec = (members: object) => (object: JsonObject) => ({
  ...object,
  spec: { ...(object['spec'] as object), ...members },
});
const setStatus = (status: object) => (object: JsonObject) => ({ ...object, status });
const createMutator = (name: string): void => {
  const rules = [{ resources: ['pods'], operations: ['CREATE'] }];
  const path = `${ADMISSION_API}/mutatingwebhookconfigurations/${name}`;
  const webhooks = [{ name: `inject.${name}`, rules }];
  installation.server.objects.create(path, { metadata: { name }, webhooks });
};
const setCaBundle = (caBundle: string) => (object: JsonObject) => ({
  ...object,
  webhooks: (object['webhooks'] as readonly JsonObject[]).map((webhook) => ({
    ...webhook,
    clientConfig: { caBundle },
  })),
});

describe('check', () => {
  it('passes every row of a complete installation', async () => {
    const { code, out } = await runCheck();
    expect(out).toBe(`CHECK               RESULT  FOUND
api-server          pass    Kubernetes v1.34.2
native-sidecars     pass    API server, nodes: 1
clock-skew          pass    the clocks agree
audit-storage       pass    default storage class standard
pod-security        pass    namespaces with tasks: 1
mutators            pass    no other mutator of pods
programs            pass    Deployment valetkey-webhook 2/2, StatefulSet valetkey-authority 2/2
webhooks            pass    objects: 2
admission-policies  pass    objects: 20
custom-resources    pass    objects: 6
task-policies       pass    valid: 1
issuer              pass    keys: 2, at ${ISSUER}
admission           pass    a pod with a task in namespace research gets its sidecar

passed: 13, warnings: 0, failed: 0, skipped: 0
`);
    expect(code).toBe(0);
  });

  type Break = readonly [id: CheckId, outcome: string, problem: string, apply: () => Environment];
  const edit = (path: string, how: Parameters<typeof change>[1]) => (): Environment => {
    change(path, how);
    return {};
  };
  const policy = `${ADMISSION_API}/validatingadmissionpolicies/valetkey-exec`;
  const breaks: readonly Break[] = [
    [
      'api-server',
      'fail',
      'Kubernetes: expected version 1.30 to 1.35, got v1.29.9-gke.1',
      edit('/version', (object) => ({ ...object, gitVersion: 'v1.29.9-gke.1' })),
    ],
    [
      'api-server',
      'warning',
      'got v1.36.0, which is not tested',
      edit('/version', (object) => ({ ...object, gitVersion: 'v1.36.0' })),
    ],
    ['api-server', 'fail', 'unknown (get version: notFound', edit('/version', remove)],
    [
      'native-sidecars',
      'fail',
      'node node-1: expected a kubelet of version 1.29 or later, got 1.28',
      edit('/api/v1/nodes/node-1', setStatus({ nodeInfo: { kubeletVersion: 'v1.28.3' } })),
    ],
    ['clock-skew', 'fail', 's ahead of it', () => ({ behindMs: 121_000 })],
    ['clock-skew', 'warning', 's behind it', () => ({ behindMs: -30_000 })],
    [
      'audit-storage',
      'fail',
      'storage classes: expected a default class for the audit volume, got no class',
      edit('/apis/storage.k8s.io/v1/storageclasses/standard', remove),
    ],
    [
      'audit-storage',
      'fail',
      'storage class fast: expected it to exist, got nothing',
      edit(
        `${APPS}/statefulsets/valetkey-authority`,
        setSpec({ volumeClaimTemplates: [{ spec: { storageClassName: 'fast' } }] }),
      ),
    ],
    [
      'audit-storage',
      'warning',
      'audit volume: expected a persistent volume, got none',
      edit(`${APPS}/statefulsets/valetkey-authority`, setSpec({ volumeClaimTemplates: [] })),
    ],
    [
      'pod-security',
      'warning',
      'namespace research: expected pod-security.kubernetes.io/enforce baseline or restricted, got privileged',
      edit('/api/v1/namespaces/research', (object) => ({
        ...object,
        metadata: {
          ...(object['metadata'] as object),
          labels: {
            'valetkey.dev/tasks': 'allowed',
            'pod-security.kubernetes.io/enforce': 'privileged',
          },
        },
      })),
    ],
    ...[
      ['istio-sidecar-injector', 'Istio changes pods: use the Istio CNI plugin'],
      ['linkerd-proxy-injector-webhook-config', 'use linkerd-cni'],
      ['vault-agent-injector-cfg', 'a projected token of audience vault'],
      ['pod-identity-webhook', 'service accounts without a role'],
      ['azure-wi-webhook-mutating-webhook-configuration', 'skip the sidecar by its annotation'],
      ['kyverno-resource-mutating-webhook-cfg', 'exclude container valetkey-sidecar'],
    ].map(([name = '', problem = '']): Break => {
      const apply = () => {
        createMutator(name);
        return {};
      };
      return ['mutators', 'warning', problem, apply];
    }),
    [
      'programs',
      'fail',
      'Deployment valetkey-webhook: expected 2 ready replicas, got 1',
      edit(`${APPS}/deployments/valetkey-webhook`, setStatus({ readyReplicas: 1 })),
    ],
    [
      'programs',
      'fail',
      'StatefulSet valetkey-authority: expected it to exist, got nothing',
      edit(`${APPS}/statefulsets/valetkey-authority`, remove),
    ],
    [
      'webhooks',
      'fail',
      'webhook mutate.valetkey.dev, caBundle: expected a CA certificate, got nothing',
      edit(`${ADMISSION_API}/mutatingwebhookconfigurations/valetkey`, setCaBundle('')),
    ],
    [
      'webhooks',
      'fail',
      'webhook validate.valetkey.dev, caBundle: expected a CA certificate, got text without one',
      edit(`${ADMISSION_API}/validatingwebhookconfigurations/valetkey`, setCaBundle('eA==')),
    ],
    [
      'admission-policies',
      'fail',
      'ValidatingAdmissionPolicy valetkey-exec: expected it to exist, got nothing',
      edit(policy, remove),
    ],
    [
      'admission-policies',
      'fail',
      "ValidatingAdmissionPolicy valetkey-exec: expected the rules of this version's chart, got others",
      edit(policy, setSpec({ validations: [{ expression: 'true' }] })),
    ],
    [
      'admission-policies',
      'fail',
      "ValidatingAdmissionPolicy valetkey-exec: expected the rules of this version's chart, got others",
      edit(policy, setSpec({ failurePolicy: 'Ignore' })),
    ],
    [
      'admission-policies',
      'fail',
      'ValidatingAdmissionPolicyBinding valetkey-pods: expected policyName valetkey-pods and validationActions [Deny]',
      edit(
        `${ADMISSION_API}/validatingadmissionpolicybindings/valetkey-pods`,
        setSpec({ validationActions: ['Warn'] }),
      ),
    ],
    [
      'custom-resources',
      'fail',
      'CustomResourceDefinition revocations.valetkey.dev: expected it to be established',
      edit(
        '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/revocations.valetkey.dev',
        setStatus({}),
      ),
    ],
    [
      'task-policies',
      'fail',
      'TaskPolicies: expected at least one, got none: all tasks are denied',
      edit('/apis/valetkey.dev/v1alpha1/taskpolicies/valetkey-starter', remove),
    ],
    [
      'task-policies',
      'fail',
      'TaskPolicy valetkey-starter: no authority has evaluated this version',
      edit('/apis/valetkey.dev/v1alpha1/taskpolicies/valetkey-starter', setStatus({})),
    ],
    [
      'issuer',
      'fail',
      `key key-1: expected ${ISSUER} to publish it, got nothing`,
      () => ({ published: { keys: jwks.keys.slice(0, 1) } }),
    ],
    [
      'issuer',
      'fail',
      'key key-1: expected only keys of this cluster, got another one',
      edit(JWKS_PROXY_PATH, (object) => ({ ...object, keys: jwks.keys.slice(0, 1) })),
    ],
    [
      'admission',
      'fail',
      'pod with a task in namespace research: expected an init container valetkey-sidecar, got none',
      () => ({ isInjecting: false }),
    ],
  ];

  it.each(breaks)('reports %s as %s: %s', async (id, outcome, problem, apply) => {
    const { code, rows } = await readRows(apply());
    const found = rows.find((row) => row.id === id);
    expect(found?.problems.join('\n')).toContain(problem);
    expect(found).toMatchObject({ outcome, docs: `docs/check.md#${id}` });
    expect(found?.hint).toMatch(/\w/);
    expect(code).toBe(rows.some((row) => row.outcome === 'fail') ? 1 : 0);
  });

  it('is shown to fail or warn in each of its rows', () => {
    expect(new Set(breaks.map(([id]) => id))).toEqual(new Set(CHECK_IDS));
  });

  it('checks before an installation what needs none, and reads no object of Valetkey', async () => {
    change('/api/v1/namespaces/valetkey/configmaps/valetkey-platform', remove);
    const { code, rows } = await readRows({}, ['--pre']);
    expect(rows.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual([
      'api-server pass',
      'native-sidecars pass',
      'clock-skew pass',
      'audit-storage pass',
      'pod-security pass',
      'mutators pass',
    ]);
    expect(code).toBe(0);
    const { out } = await runCheck();
    expect(out).toContain('expected platform settings in the namespace of Valetkey');
  });

  it('exits with 1 for a warning only with --failure-threshold warning, and prints the hint', async () => {
    createMutator('istio-sidecar-injector');
    const lenient = await runCheck();
    expect(lenient.code).toBe(0);
    expect(lenient.out).toContain('mutators            warning  1 problem\n');
    expect(lenient.out).toMatch(/^ {2}To do: .* \(docs\/check\.md#mutators\)$/m);
    expect((await runCheck(['--failure-threshold', 'warning'])).code).toBe(1);
  });

  it('lists an unknown mutator of pods without a warning', async () => {
    createMutator('acme-labels');
    expect((await runCheck()).out).toContain('no known conflict: acme-labels');
  });

  it('prints YAML for programs', async () => {
    expect((await runCheck(['-o', 'yaml'])).out).toContain('counts:\n  passed: 13\n');
  });

  it('skips the dry run if no namespace has the label, unless one is named', async () => {
    change('/api/v1/namespaces/research', remove);
    const skipped = await readRows();
    expect(skipped.rows.at(-1)).toMatchObject({ id: 'admission', outcome: 'skipped' });
    const named = await readRows({}, ['--namespace', 'default']);
    expect(named.rows.at(-1)).toMatchObject({ id: 'admission', outcome: 'pass' });
  });

  it("compares the cluster's own issuer under trust: cluster, and skips what needs an authority", async () => {
    change('/api/v1/namespaces/valetkey/configmaps/valetkey-platform', (object) => ({
      ...object,
      data: { 'platform.yaml': CLUSTER_PLATFORM },
    }));
    const { rows } = await readRows();
    const outcomes = Object.fromEntries(rows.map(({ id, outcome }) => [id, outcome]));
    expect(outcomes).toMatchObject({
      ...{ 'audit-storage': 'skipped', 'custom-resources': 'skipped', 'task-policies': 'skipped' },
      issuer: 'fail',
    });
  });
});

describe('docs/check.md', () => {
  it('has a section for each row', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../docs/check.md'), 'utf8');
    const headings = Array.from(page.matchAll(/^## `([a-z-]+)`$/gm), ([, id]) => id);
    expect(headings).toEqual(CHECK_IDS);
  });
});

describe('buildSamplePod', () => {
  it.each([
    ['trust: authority', PLATFORM],
    ['trust: cluster', CLUSTER_PLATFORM],
    ['dialect s3', S3_PLATFORM.replace(/tasks: .*/, '')],
    ['roles of MinIO', S3_PLATFORM.replace(/tasks: .*/, 'tasks: {partitions: [minio]}')],
  ])('satisfies every pod rule under %s', async (_, text) => {
    const platform = readPlatform(text);
    if (!platform.ok) throw new Error(JSON.stringify(platform.faults));
    const files = { 'pod.json': JSON.stringify(buildSamplePod('check-id', platform.value)) };
    const words = ['lint', 'pod.json', '-o', 'json'];
    const { code, out } = await runCli(words, { files, platform: text });
    expect(JSON.parse(out)).toMatchObject({ checked: 1, findings: [] });
    expect(code).toBe(0);
  });
});

describe('checkAdmission', () => {
  it("warns if Valetkey's own webhook denies the pod, because it responds", () => {
    const refusal =
      'admission webhook "validate.valetkey.dev" denied the request:\n  policy: denied';
    expect(checkAdmission('research', { refusal })).toMatchObject({
      outcome: 'warning',
      problems: [expect.stringContaining('denied the request: policy: denied')],
    });
  });

  it('fails if the API server cannot call the webhook, or another one denies the pod', () => {
    for (const refusal of [
      'Internal error occurred: failed calling webhook "mutate.valetkey.dev": connection refused',
      'admission webhook "other.example" denied the request: no',
    ]) {
      expect(checkAdmission('research', { refusal }).outcome).toBe('fail');
    }
  });
});

describe('checkIssuer', () => {
  const facts = { issuer: 'https://valetkey-authority.valetkey.svc', own: { value: jwks } };

  it('fails for a private issuer that AWS cannot reach, and skips it for a private cloud', () => {
    expect(checkIssuer({ ...facts, dialect: 'aws' }).outcome).toBe('fail');
    expect(checkIssuer({ ...facts, dialect: 's3' }).outcome).toBe('skipped');
  });

  it('fails if a published key has the ID of another one', () => {
    const [first, second] = jwks.keys;
    const keys = [{ ...second, kid: first?.['kid'] }, second];
    const published = { value: { issuer: ISSUER, jwks: { keys } } };
    const result = checkIssuer({ ...facts, issuer: ISSUER, dialect: 'aws', published });
    expect(result.problems).toHaveLength(2);
  });

  it('fails if the discovery document names another issuer, or is not available', () => {
    const other = { value: { issuer: 'https://other.example', jwks } };
    const base = { ...facts, issuer: ISSUER, dialect: 'aws' } as const;
    expect(checkIssuer({ ...base, published: other }).found).toContain('got https://other.example');
    const unknown = { unknown: 'get issuer.example: no response' };
    expect(checkIssuer({ ...base, published: unknown }).outcome).toBe('fail');
  });
});

describe('checkClockSkew', () => {
  it('allows for the whole seconds of the header and for the time of the request', () => {
    const reading = { sentAt: 10_000, receivedAt: 40_000, clock: 10_000 };
    expect(checkClockSkew(reading).outcome).toBe('pass');
    expect(checkClockSkew({ ...reading, clock: NaN }).outcome).toBe('skipped');
  });
});

describe('checkNativeSidecars', () => {
  it('warns if the nodes may not be listed', () => {
    const server = { version: { major: 1, minor: 30 }, text: 'v1.30.0', clock: 0 };
    expect(checkNativeSidecars(server, { unknown: 'list nodes: refused' }).outcome).toBe('warning');
  });
});
