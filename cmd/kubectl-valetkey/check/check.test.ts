import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rm } from 'node:fs/promises';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { Jwks } from '../../../lib/grant/issuer-documents.ts';
import type { JsonObject } from '../../../test/fakes/api-server/resource-store.ts';
import { KubernetesError } from '../../../lib/edge/kubernetes/kubernetes-error.ts';
import type { Mapping } from '../../../lib/schema/mapping.ts';
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
  METRICS_PATHS,
  startEmbeddedInstallation,
  type EmbeddedInstallation,
} from '../fixtures/embedded-installation.ts';
import type { Io } from '../io.ts';
import { readPlatform } from '../../../lib/config/platform-parser.ts';
import { runProgram } from '../program.ts';
import { buildSamplePod, checkAdmission } from './admission-checks.ts';
import { CHECK_IDS, type CheckId } from './check-row.ts';
import { createProbePod, LINES, SMOKE_WORDS, type FakeProbe } from './fixtures/fake-probe.ts';
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
  /** `user name` of the security context constraints that RBAC permits. */
  readonly permitted?: readonly string[];
  readonly hasColor?: true;
  /** A pod of the smoke test, instead of one of the API server. */
  readonly probe?: FakeProbe;
};

const runCheck = async (words: readonly string[] = [], environment: Environment = {}) => {
  const { isInjecting = true, published = jwks, behindMs = 0, permitted = [], probe } = environment;
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
        checkSubjectAccess: ({ user }, { name = '' }) =>
          Promise.resolve(permitted.includes(`${user} ${name}`)),
        inNamespace: (namespace) => ({
          ...client.inNamespace(namespace),
          ...(probe !== undefined && namespace === 'research' && createProbePod(probe)),
        }),
      };
    },
    ...(environment.hasColor && { hasColor: true }),
    fetchDocument: (url: string) => Promise.resolve(documents[url]),
    now: () => Date.now() - behindMs,
    newId: () => 'id',
    schedule: (_, action) => {
      setImmediate(action);
      return () => undefined;
    },
    onInterrupt: (callback) => {
      probe?.onStarted?.(callback);
      return () => undefined;
    },
    sendSignedRequest: (request) =>
      probe?.sendReplay?.(request) ??
      Promise.resolve({ status: 403, body: '<Code>AccessDenied</Code>' }),
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
const PLATFORM_PATH = '/api/v1/namespaces/valetkey/configmaps/valetkey-platform';
const PLATFORM_WITH_SOURCE = {
  data: {
    'platform.yaml': PLATFORM.replace(
      'region: eu-central-1',
      'region: eu-central-1, sourceRestriction: {mode: podIP}',
    ).replace(/issuer: "[^"]*"/, `issuer: "${ISSUER}"`),
  },
};
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

const createObject = (path: string, object: object): void => {
  const name = path.slice(path.lastIndexOf('/') + 1);
  installation.server.objects.create(path, { metadata: { name }, ...object });
};

const OPENSHIFT = '/apis/security.openshift.io/v1';
const VOLUMES = ['configMap', 'emptyDir', 'persistentVolumeClaim', 'projected', 'secret'];

/** Those of OpenShift for every user, and those of the chart. */
const createConstraints = (): void => {
  createObject(OPENSHIFT, { resources: [{ name: 'securitycontextconstraints' }] });
  createObject(`${OPENSHIFT}/securitycontextconstraints/restricted-v2`, {
    ...{ runAsUser: { type: 'MustRunAsRange' }, fsGroup: { type: 'MustRunAs' } },
    ...{ volumes: VOLUMES, groups: ['system:authenticated'] },
  });
  createObject(`${OPENSHIFT}/securitycontextconstraints/valetkey-nonroot`, {
    ...{ runAsUser: { type: 'MustRunAsNonRoot' }, fsGroup: { type: 'RunAsAny' } },
    ...{ volumes: VOLUMES, users: [], groups: [] },
  });
};
const PERMITTED = [
  'valetkey:valetkey-webhook',
  'valetkey:valetkey-authority',
  'research:default',
].map((account) => `system:serviceaccount:${account} valetkey-nonroot`);

const MONITORING = '/apis/monitoring.coreos.com/v1';
const createMonitors = (...names: readonly string[]): void => {
  createObject(MONITORING, { resources: [{ name: 'servicemonitors' }] });
  for (const name of names) {
    createObject(`${MONITORING}/namespaces/valetkey/servicemonitors/${name}`, {});
  }
};

describe('check', () => {
  it('passes every row of a complete installation', async () => {
    const { code, out } = await runCheck();
    expect(out).toBe(`CHECK               RESULT   FOUND
api-server          pass     Kubernetes v1.34.2
native-sidecars     pass     API server, nodes: 1
clock-skew          pass     the clocks agree
audit-storage       pass     default storage class standard
pod-security        pass     namespaces with tasks: 1
mutators            pass     no other mutator of pods
programs            pass     Deployment valetkey-webhook 2/2, StatefulSet valetkey-authority 2/2
webhooks            pass     objects: 2
admission-policies  pass     objects: 20
custom-resources    pass     objects: 6
task-policies       pass     valid: 1
issuer              pass     keys: 2, at ${ISSUER}
admission           pass     a pod with a task in namespace research gets its sidecar
openshift-scc       skipped  not OpenShift: no API security.openshift.io
scraping            pass     valetkey-webhook, valetkey-authority: no ServiceMonitor

passed: 14, warnings: 0, failed: 0, skipped: 1
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
      'mutators',
      'warning',
      'MutatingAdmissionPolicy defaults: changes pods',
      () => {
        const group = '/apis/admissionregistration.k8s.io/v1beta1';
        createObject(group, { resources: [{ name: 'mutatingadmissionpolicies' }] });
        createObject(`${group}/mutatingadmissionpolicies/defaults`, {
          spec: {
            matchConstraints: { resourceRules: [{ resources: ['pods'], operations: ['*'] }] },
          },
        });
        return {};
      },
    ],
    [
      'mutators',
      'warning',
      'VerticalPodAutoscaler research/agents: expected a containerPolicies entry valetkey-sidecar',
      () => {
        const group = '/apis/autoscaling.k8s.io/v1';
        createObject(group, { resources: [{ name: 'verticalpodautoscalers' }] });
        for (const namespace of ['research', 'other']) {
          createObject(`${group}/verticalpodautoscalers/${namespace}`, {
            metadata: { namespace, name: 'agents' },
          });
        }
        return {};
      },
    ],
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
    [
      'openshift-scc',
      'fail',
      'valetkey-authority (system:serviceaccount:valetkey:valetkey-authority): expected constraints that permit user 64873, got none: restricted-v2 has runAsUser MustRunAsRange; valetkey-nonroot may not be used',
      () => {
        createConstraints();
        const permitted = PERMITTED.filter((each) => !each.includes('valetkey-authority'));
        return { permitted };
      },
    ],
    [
      'openshift-scc',
      'fail',
      'pods with tasks in research (system:serviceaccount:research:default): expected constraints that permit user 64871',
      () => {
        createConstraints();
        return { permitted: PERMITTED.filter((each) => !each.includes('research')) };
      },
    ],
    [
      'scraping',
      'warning',
      'NetworkPolicy valetkey-webhook: expected an ingress rule for port 9444, got none',
      () => {
        const spec = { ingress: [{ ports: [{ port: 10250, protocol: 'TCP' }] }] };
        createObject(
          '/apis/networking.k8s.io/v1/namespaces/valetkey/networkpolicies/valetkey-webhook',
          {
            spec,
          },
        );
        return {};
      },
    ],
    [
      'scraping',
      'warning',
      'valetkey-authority: expected metrics on port 9446, got another text',
      edit(METRICS_PATHS.authority, () => ({ text: 'Not found' })),
    ],
    [
      'scraping',
      'warning',
      'ServiceMonitor valetkey-authority: expected it to exist as for the other program, got nothing',
      () => {
        createMonitors('valetkey-webhook');
        return {};
      },
    ],
  ];

  type SmokeBreak = readonly [id: CheckId, outcome: string, problem: string, probe: FakeProbe];
  const smokeBreaks: readonly SmokeBreak[] = [
    [
      'cloud-scope',
      'fail',
      'expected the probe smoke-probe.cjs, got none: use the tool of the release of the image',
      { lines: [], log: "Error: Cannot find module '/opt/valetkey/smoke-probe.cjs'" },
    ],
    [
      'cloud-scope',
      'fail',
      'task first: expected status 403 for the object of the other task, got 200',
      { lines: [...LINES.reads({ firstReadsSecond: 200 }), ...LINES.end] },
    ],
    [
      'cloud-scope',
      'fail',
      'task second: expected status 200 for its own object, got 404 NoSuchKey',
      { lines: [...LINES.reads({ secondReadsSecond: 404 }), ...LINES.end] },
    ],
    [
      'cloud-scope',
      'fail',
      'task first: expected credentials, got 403 policy_denied: no permit',
      { lines: [{ step: 'refused', task: 'first', answer: '403 policy_denied: no permit' }] },
    ],
    [
      'cloud-scope',
      'fail',
      'probe: expected results, got ConnectionError',
      { lines: [{ step: 'failed', answer: 'ConnectionError' }] },
    ],
    [
      'cloud-deadline',
      'fail',
      'credentials: expected an end at their expiration, still valid 61 s after it',
      {
        lines: [...LINES.reads(), ...LINES.keys, { step: 'remains', afterSeconds: 61 }],
      },
    ],
    [
      'cloud-deadline',
      'fail',
      'got 403 AccessDenied 12 s before it',
      {
        lines: [
          ...LINES.reads(),
          ...LINES.keys,
          { step: 'denied', afterSeconds: -12, answer: '403 AccessDenied' },
        ],
      },
    ],
    [
      'cloud-deadline',
      'warning',
      'credentials: expected an end within 15 s after their expiration, got 58 s',
      {
        lines: [
          ...LINES.reads(),
          ...LINES.keys,
          { step: 'denied', afterSeconds: 58, answer: '403 AccessDenied' },
        ],
      },
    ],
    [
      'cloud-source',
      'fail',
      'request from this machine with the credentials of the pod: expected status 403, got 200',
      { sendReplay: () => Promise.resolve({ status: 200, body: '' }) },
    ],
    [
      'cloud-keys',
      'fail',
      'minio: expected no access key for a run, got one; delete check1',
      {
        lines: [
          ...LINES.reads(),
          { step: 'key', api: 'iam', outcome: 'absent', answer: '400 InvalidAction' },
          {
            ...{ step: 'key', api: 'minio', outcome: 'created', answer: '200' },
            remainingKey: 'check1',
          },
          ...LINES.end,
        ],
      },
    ],
    [
      'cloud-keys',
      'warning',
      'iam: expected a denial, got 500 InternalError',
      {
        lines: [
          ...LINES.reads(),
          { step: 'key', api: 'iam', outcome: 'unclear', answer: '500 InternalError' },
          ...LINES.end,
        ],
      },
    ],
  ];

  it.each(smokeBreaks)(
    'reports %s of a smoke test as %s: %s',
    async (id, outcome, problem, probe) => {
      installation.server.objects.replace(PLATFORM_PATH, PLATFORM_WITH_SOURCE);
      const { rows } = await readRows({ probe }, SMOKE_WORDS);
      const found = rows.find((row) => row.id === id);
      expect(found?.problems.join('\n')).toContain(problem);
      expect(found).toMatchObject({ outcome, docs: `docs/check.md#${id}` });
      expect(found?.hint).toMatch(/\w/);
    },
  );

  it.each(breaks)('reports %s as %s: %s', async (id, outcome, problem, apply) => {
    const { code, rows } = await readRows(apply());
    const found = rows.find((row) => row.id === id);
    expect(found?.problems.join('\n')).toContain(problem);
    expect(found).toMatchObject({ outcome, docs: `docs/check.md#${id}` });
    expect(found?.hint).toMatch(/\w/);
    expect(code).toBe(rows.some((row) => row.outcome === 'fail') ? 1 : 0);
  });

  it('is shown to fail or warn in each of its rows', () => {
    const shown = [...breaks, ...smokeBreaks].map(([id]) => id);
    expect(new Set(shown)).toEqual(new Set(CHECK_IDS));
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

  it('names the constraints of OpenShift that apply, or that may be used', async () => {
    createConstraints();
    const annotate = ({ metadata, ...pod }: JsonObject) => ({
      ...pod,
      metadata: {
        ...(metadata as object),
        annotations: { 'openshift.io/scc': 'valetkey-nonroot' },
      },
    });
    change('/api/v1/namespaces/valetkey/pods/valetkey-webhook-1', annotate);
    const { rows } = await readRows({ permitted: PERMITTED });
    expect(rows.find(({ id }) => id === 'openshift-scc')).toMatchObject({
      outcome: 'pass',
      found:
        'valetkey-webhook: valetkey-nonroot, valetkey-authority: valetkey-nonroot, pods with tasks in research: valetkey-nonroot',
    });
  });

  it('passes scraping with a ServiceMonitor for each program', async () => {
    createMonitors('valetkey-webhook', 'valetkey-authority');
    const { rows } = await readRows();
    expect(rows.find(({ id }) => id === 'scraping')).toMatchObject({ outcome: 'pass' });
  });

  it('shows results in colors on a terminal alone', async () => {
    createMutator('istio-sidecar-injector');
    change(policy, remove);
    const { out } = await runCheck([], { hasColor: true });
    const rows = out.slice(0, out.indexOf('\n\n')).split('\n');
    const findRow = (id: string) => rows.find((row) => row.includes(id));
    expect(findRow('api-server')).toMatch(/^\u001b\[32m.*\u001b\[0m$/);
    expect(findRow('mutators')).toMatch(/^\u001b\[33m.*\u001b\[0m$/);
    expect(findRow('admission-policies')).toMatch(/^\u001b\[31m.*\u001b\[0m$/);
    expect(findRow('openshift-scc')).toMatch(/^openshift/);
    expect((await runCheck()).out).not.toContain('\u001b');
  });

  it('lists an unknown mutator of pods without a warning', async () => {
    createMutator('acme-labels');
    expect((await runCheck()).out).toContain('no known conflict: acme-labels');
  });

  it('prints YAML for programs', async () => {
    expect((await runCheck(['-o', 'yaml'])).out).toContain('counts:\n  passed: 14\n');
  });

  it('prints SARIF with the row as the code of each problem', async () => {
    createMutator('istio-sidecar-injector');
    const { out } = await runCheck(['-o', 'sarif']);
    type Log = { readonly runs: readonly { readonly results: readonly object[] }[] };
    const [run] = (JSON.parse(out) as Log).runs;
    expect(run?.results).toEqual([
      expect.objectContaining({ ruleId: 'mutators', level: 'warning' }),
    ]);
  });

  it('skips the dry run if no namespace has the label, unless one is named', async () => {
    change('/api/v1/namespaces/research', remove);
    const skipped = await readRows();
    const findAdmission = (rows: readonly Row[]) => rows.find(({ id }) => id === 'admission');
    expect(findAdmission(skipped.rows)).toMatchObject({ outcome: 'skipped' });
    const named = await readRows({}, ['--namespace', 'default']);
    expect(findAdmission(named.rows)).toMatchObject({ outcome: 'pass' });
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

describe('check --smoke-test', () => {
  beforeEach(() => {
    installation.server.objects.replace(PLATFORM_PATH, PLATFORM_WITH_SOURCE);
  });
  const readSmokeRows = async (probe: FakeProbe) => {
    const { code, rows } = await readRows({ probe }, SMOKE_WORDS);
    return { code, rows: rows.slice(-4).map(({ id, outcome }) => `${id} ${outcome}`) };
  };

  it('passes for a cloud that enforces scope, deadline and source, and creates no key', async () => {
    const [created, removed]: [Mapping[], string[]] = [[], []];
    const { code, rows } = await readSmokeRows({ created, removed });
    expect(rows).toEqual([
      'cloud-scope pass',
      'cloud-deadline pass',
      'cloud-source pass',
      'cloud-keys pass',
    ]);
    expect(code).toBe(0);
    expect(created).toHaveLength(1);
    expect(removed).toEqual(['valetkey-smoke-test-id']);
  });

  it('creates a pod that the webhook admits, and that ends by itself', async () => {
    const created: Mapping[] = [];
    await readSmokeRows({ created });
    expect(created[0]).toMatchObject({ spec: { activeDeadlineSeconds: 300 } });
    const files = { 'pod.json': JSON.stringify(created[0]) };
    const words = ['lint', 'pod.json', '-o', 'json'];
    const { out } = await runCli(words, { files, platform: PLATFORM });
    expect(JSON.parse(out)).toMatchObject({ checked: 1, findings: [] });
  });

  it('deletes the pod when the user interrupts, and when it is refused', async () => {
    const removed: string[] = [];
    const onStarted = (interrupt: () => void) => interrupt();
    const { code, out } = await runCheck(SMOKE_WORDS, { probe: { removed, onStarted } });
    expect(out).toContain('interrupted; pod valetkey-smoke-test-id is deleted');
    expect(code).toBe(130);
    const refusal = new KubernetesError('refused', 'create pods', { reason: 'policy: denied' });
    const refused = await readSmokeRows({ removed, refusal });
    expect(refused.rows).toEqual([
      'cloud-scope fail',
      'cloud-deadline skipped',
      'cloud-source skipped',
      'cloud-keys skipped',
    ]);
    expect(removed).toHaveLength(2);
  });

  it('does not decide the source without a response here, nor after the credentials expired', async () => {
    const unreachable = () => Promise.reject(new Error('ECONNREFUSED'));
    const proxy = () => Promise.resolve({ status: 403, body: 'blocked by policy' });
    const probes = [{ sendReplay: unreachable }, { sendReplay: proxy }, { readsBeforeEnd: 2 }];
    for (const probe of probes) {
      const { rows } = await readSmokeRows(probe);
      expect(rows).toContain('cloud-source skipped');
      expect(rows).toContain('cloud-scope pass');
    }
  });

  it('sends the request of the probe nowhere but to the S3 endpoint of the platform', async () => {
    const urls: string[] = [];
    const sendReplay = ({ url }: { readonly url: string }) => {
      urls.push(url);
      return Promise.resolve({ status: 403, body: '<Code>AccessDenied</Code>' });
    };
    const url = 'https://s3.eu-central-1.amazonaws.com.example/x';
    const lines: FakeProbe['lines'] = [
      ...LINES.reads(),
      { step: 'replay', url, headers: {} },
      ...LINES.end,
    ];
    expect((await readSmokeRows({ lines, sendReplay })).rows).toContain('cloud-source skipped');
    expect(urls).toEqual([]);
  });

  it.each([
    [['--role', 'agent'], '--role: expected --smoke-test with it'],
    [['--smoke-test'], '--namespace: expected a value for --smoke-test'],
    [['--pre', ...SMOKE_WORDS], '--pre: expected an installation for --smoke-test'],
    [[...SMOKE_WORDS, '--object', 'acme/c.txt'], 'expected two different objects'],
    [[...SMOKE_WORDS.slice(0, -1), 'acme/*'], 'expected BUCKET/KEY of an object'],
  ])('refuses %j', async (words, message) => {
    const { code, out } = await runCheck(words);
    expect(out).toContain(message);
    expect(code).toBe(2);
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
