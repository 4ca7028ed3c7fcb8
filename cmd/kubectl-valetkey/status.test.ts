import { describe, expect, it } from '@jest/globals';

import { createCertificateAuthority } from '../../lib/certificate/certificate-authority.ts';
import { KubernetesError } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import type { ClusterObject } from '../../lib/edge/kubernetes/installation.ts';
import { STARTER_POLICY } from '../../lib/policy/starter-policy.ts';
import {
  CLUSTER_PLATFORM,
  PLATFORM,
  buildClusterObject,
  buildPolicyResource,
  buildRevocationResource,
  runCli,
  createHealthyCluster,
  createJwks,
  type CliFixture,
} from './fixtures/cli-harness.ts';

/** Replaces one object for the whole cluster; undefined removes it. */
const replaceObject = (
  kind: ClusterObject['kind'],
  change: (object: object) => object | undefined,
  name?: string,
): CliFixture['cluster'] => ({
  readClusterObject: async (object) => {
    const built = await buildClusterObject(object);
    return object.kind === kind && (name ?? object.name) === object.name ? change(built) : built;
  },
});
const remove = () => undefined;
const toWebhooks = (object: object): readonly object[] =>
  (object as { readonly webhooks: readonly object[] }).webhooks;

const by = 'system:serviceaccount:valetkey:valetkey-authority';
const rejectForbidden = () =>
  Promise.reject(
    new KubernetesError('refused', 'list pods', { status: 403, reason: 'status 403' }),
  );

const DAY_MS = 86_400_000;
const expired = await createCertificateAuthority({
  now: Date.parse('2026-01-01T00:00:00Z'),
  lifetimeMs: DAY_MS,
});

const buildUpstreamResource = (
  name: string,
  secret: object,
  conditions: readonly object[],
  members: object = {},
) => ({
  metadata: { name, uid: name, resourceVersion: '1', generation: 1 },
  spec: {
    url: 'https://api.example',
    present: { header: { name: 'authorization', template: 'Bearer {secret}' } },
    ...{ secret, ...members },
  },
  status: {
    conditions: conditions.map((each) => ({ ...each, observedGeneration: 1, message: 'why' })),
  },
});

describe('status', () => {
  it('shows which Upstreams are ready, and reports those whose secret no run gets', async () => {
    const kubernetes = { kubernetes: { name: 'model-key', key: 'token' } };
    const vault = { vault: { address: 'https://vault.example', mount: 'jwt', role: 'agents' } };
    const ready = { type: 'Ready', status: 'True', reason: 'Valid' };
    const found = { type: 'SecretFound', status: 'True', reason: 'Found' };
    const unreachable = { status: 'False', reason: 'Unreachable' };
    const listUpstreams = () =>
      Promise.resolve([
        buildUpstreamResource('notes', vault, [
          { type: 'SecretFound', status: 'True', reason: 'IssuedPerRun' },
          { type: 'Reachable', ...unreachable },
          { type: 'Ready', ...unreachable },
        ]),
        buildUpstreamResource('model-api', kubernetes, [found, ready], { models: ['gpt-x'] }),
        buildUpstreamResource('new', kubernetes, []),
      ]);
    const { out, code } = await runCli(['status'], { cluster: { listUpstreams } });
    expect(out).toContain(`
UPSTREAM   TARGET               SECRET FROM  REVOCABLE  PINNED   READY  SECRET FOUND  REACHABLE  REASON
model-api  https://api.example  kubernetes   no         1 model  yes    yes           -          Valid
new        https://api.example  kubernetes   no         -        no     -             -          NotEvaluated
notes      https://api.example  vault        token      -        no     yes           no         Unreachable
`);
    expect(out).toContain(`Problems:
  Upstream new: no authority has evaluated this version
  Upstream notes: why
`);
    expect(code).toBe(1);
  });

  it('prints the state of a healthy installation and exits with 0', async () => {
    const { code, out, error } = await runCli(['status']);
    expect(out).toBe(`trust: authority

PROGRAM                         READY  VERSION
Deployment valetkey-webhook     2/2    0.1.0
StatefulSet valetkey-authority  2/2    0.1.0

CA CERTIFICATES                                                                    EXPIRE
MutatingWebhookConfiguration valetkey, webhook mutate.valetkey.dev, caBundle       2027-01-05
ValidatingWebhookConfiguration valetkey, webhook validate.valetkey.dev, caBundle   2027-01-05
ValidatingWebhookConfiguration valetkey, webhook workloads.valetkey.dev, caBundle  2027-01-05
ValidatingWebhookConfiguration valetkey, webhook policies.valetkey.dev, caBundle   2027-01-05
ConfigMap valetkey-authority-trust-bundle                                          2027-01-05

POLICY            READY  REASON  AGE
valetkey-starter  yes    Valid   2d

GRANT KEY  ALGORITHM  USE      AGE
key-0      ES256      signing  30d
key-1      ES256      next     2d

REVOCATION  TARGET  BY  UNTIL  AGE  REASON
none

AUDIT HEAD            CHAIN                   RECORD  AGE
valetkey-authority-0  valetkey-authority-0.c  40      12s
valetkey-authority-1  valetkey-authority-1.c  41      12s

RECENT REFUSAL  PODS  AGE
none

NAMESPACE  PODS WITH TASKS
research   2
sales      1

No problems found.
`);
    expect([code, error]).toEqual([0, '']);
  });

  it('lists Revocations in force and only counts those that report the end of a run', async () => {
    const listRevocations = () =>
      Promise.resolve([
        buildRevocationResource('stop', { pod: { namespace: 'research', name: 'agent-7' } }),
        buildRevocationResource('over', { all: true, until: '2026-01-05T13:29:59Z' }),
        buildRevocationResource('run-aaaa', { run: 'aaaa', reason: 'completed', by }),
        buildRevocationResource('run-bbbb', { run: 'bbbb', reason: 'superseded', by }),
      ]);
    const { out, code } = await runCli(['status'], { cluster: { listRevocations } });
    expect(out).toContain('stop        pod research/agent-7  alice  deleted  30m  incident 42');
    expect(out).toContain('and 2 runs that the authority reported as ended');
    expect(out).not.toContain('over');
    expect(code).toBe(0);
  });

  it('reads only the webhook and the pods under trust: cluster', async () => {
    const never = () => Promise.reject(new Error('must not be called'));
    const cluster = { readAuthority: never, listPolicies: never, readDocument: never };
    const { code, out } = await runCli(['status'], { cluster, platform: CLUSTER_PLATFORM });
    expect(out).toContain('trust: cluster');
    expect(out).not.toContain('POLICY');
    expect(code).toBe(0);
  });

  it('warns if tasks may name roles in any account, and still exits with 0', async () => {
    const platform = PLATFORM.replace(/accountIds: .*/, 'accountIds: ["*"]}');
    const { code, out } = await runCli(['status'], { platform });
    expect(out).toContain("Warnings:\n  tasks.accountIds is ['*']: a task may name a role");
    expect(code).toBe(0);
    const colored = await runCli(['status'], { platform, hasColor: true });
    expect(colored.out).toContain('\u001b[32mNo problems found.\u001b[0m\n\u001b[33mWarnings:');
    expect(out).not.toContain('\u001b');
  });

  const replaceParameters = (
    change: (
      data: Readonly<Record<string, string>>,
    ) => Readonly<Record<string, string>> | undefined,
  ): NonNullable<CliFixture['cluster']> => {
    const { readConfigMap } = createHealthyCluster();
    return {
      readConfigMap: async (name) => {
        const data = await readConfigMap(name);
        return name === 'valetkey-policy-parameters' ? change(data ?? {}) : data;
      },
    };
  };

  it('reports missing parameters of the admission policies, which deny everything then', async () => {
    const { code, out } = await runCli(['status'], { cluster: replaceParameters(() => undefined) });
    expect(out).toContain(
      'ConfigMap valetkey-policy-parameters: expected it to exist, got nothing: the API server denies every request that the admission policies match',
    );
    expect(code).toBe(1);
  });

  it('reports each parameter of the admission policies that differs from the settings', async () => {
    const cluster = replaceParameters((data) => {
      const others = Object.entries(data).filter(([name]) => name !== 'audience');
      return { ...Object.fromEntries(others), otherClouds: 'allow' };
    });
    const { code, out } = await runCli(['status'], { cluster });
    const where = 'as in ConfigMap valetkey-platform, by which the webhook decides';
    expect(out).toContain(`Problems:
  ConfigMap valetkey-policy-parameters audience: expected "authority.valetkey.dev" ${where}, got nothing
  ConfigMap valetkey-policy-parameters otherClouds: expected "refuse" ${where}, got "allow"
`);
    expect(code).toBe(1);
  });

  const listEvents = (codes: readonly (readonly [code: string, pod: string, time: string])[]) =>
    async function* () {
      await Promise.resolve();
      for (const [code, pod, time] of codes) {
        const at = Date.parse(`2026-01-05T${time}Z`);
        yield { namespace: 'research', pod, code, at, message: `${code}: details` };
      }
    };

  it('counts recent refusals by code, and reports those that the platform has to resolve', async () => {
    const listAuthorityEvents = listEvents([
      ['cloud_unavailable', 'a', '13:28:00'],
      ['cloud_unavailable', 'b', '13:29:00'],
      ['policy_denied', 'a', '13:29:30'],
      ['issuer_unreachable', 'valetkey-authority-0', '13:29:50'],
      ['audit_unavailable', 'a', '13:00:00'],
    ]);
    const { code, out } = await runCli(['status'], { cluster: { listAuthorityEvents } });
    expect(out).toContain('cloud_unavailable   2     60s');
    expect(out).toContain('policy_denied       1     30s');
    expect(out).toContain(`Problems:
  issuer_unreachable (1 pod, last 10s ago): issuer_unreachable: details
  cloud_unavailable (2 pods, last 60s ago): cloud_unavailable: details
`);
    expect(code).toBe(1);
  });

  it('shows the age of keys that were made a moment ago, as after their Secret was recreated', async () => {
    const keys = await createJwks([0, 0]);
    const { out } = await runCli(['status'], {
      cluster: { readDocument: () => Promise.resolve(keys) },
    });
    expect(out).toMatch(/^key-0 +ES256 +signing +0s$/m);
  });

  it('prints the same state as JSON', async () => {
    const { out } = await runCli(['status', '-o', 'json']);
    expect(JSON.parse(out)).toMatchObject({
      trust: 'authority',
      programs: [{ ready: 2, wanted: 2 }, {}],
      keys: [{ kid: 'key-0', use: 'signing' }, { use: 'next' }],
      pods: [{ namespace: 'research', count: 2 }, {}],
      problems: [],
      warnings: [],
    });
  });

  const problems: readonly (readonly [string, CliFixture['cluster'], string])[] = [
    [
      'a replica that is not ready',
      { readAuthority: () => Promise.resolve({ ready: 1, wanted: 2 }) },
      'StatefulSet valetkey-authority: expected 2 ready replicas, got 1',
    ],
    [
      'a program scaled to zero',
      { readWebhook: () => Promise.resolve({ ready: 0, wanted: 0 }) },
      'Deployment valetkey-webhook: expected 1 ready replicas, got 0',
    ],
    [
      'a missing program',
      { readWebhook: () => Promise.resolve(undefined) },
      'Deployment valetkey-webhook: expected it to exist, got nothing',
    ],
    [
      'an invalid policy',
      { listPolicies: () => Promise.resolve([buildPolicyResource('', false)]) },
      'TaskPolicy valetkey-starter: line 1, column 1: expected Cedar, got more',
    ],
    [
      'a policy whose current version was not evaluated',
      {
        listPolicies: () => {
          const { metadata, ...rest } = buildPolicyResource(STARTER_POLICY);
          return Promise.resolve([{ ...rest, metadata: { ...metadata, generation: 3 } }]);
        },
      },
      'TaskPolicy valetkey-starter: no authority has evaluated this version',
    ],
    [
      'no policy',
      { listPolicies: () => Promise.resolve([]) },
      'TaskPolicies: expected at least one, got none: all tasks are denied',
    ],
    [
      'an invalid Revocation',
      { listRevocations: () => Promise.resolve([buildRevocationResource('odd', {})]) },
      'revocations/odd spec: expected exactly one of run, pod, task, serviceAccount, namespace, all',
    ],
    [
      'a missing head',
      {
        readConfigMap: (name) =>
          name === 'valetkey-audit-heads'
            ? Promise.resolve({ 'valetkey-authority-0': 'x' })
            : readHealthyPlatform(),
      },
      'audit head of valetkey-authority-1: expected a published head, got nothing',
    ],
    [
      'an invalid key set',
      { readDocument: () => Promise.resolve({ keys: [] }) },
      'grant keys: unknown (/jwks: expected a key set (RFC 7517), got {"keys":[]})',
    ],
    [
      'a missing mutating webhook configuration',
      replaceObject('MutatingWebhookConfiguration', remove),
      'MutatingWebhookConfiguration valetkey: expected it to exist, got nothing: pods that declare tasks get no sidecar',
    ],
    [
      'a missing validating webhook configuration',
      replaceObject('ValidatingWebhookConfiguration', remove),
      'ValidatingWebhookConfiguration valetkey: expected it to exist, got nothing',
    ],
    [
      'a configuration without one of its webhooks',
      replaceObject('ValidatingWebhookConfiguration', (object) => ({
        webhooks: toWebhooks(object).slice(0, 2),
      })),
      'ValidatingWebhookConfiguration valetkey, webhook policies.valetkey.dev: expected it to exist, got nothing',
    ],
    [
      'a webhook that fails open',
      replaceObject('ValidatingWebhookConfiguration', (object) => ({
        webhooks: toWebhooks(object).map((each) => ({ ...each, failurePolicy: 'Ignore' })),
      })),
      'webhook validate.valetkey.dev: expected failurePolicy Fail, got "Ignore"',
    ],
    [
      'an empty caBundle',
      replaceObject('MutatingWebhookConfiguration', (object) => ({
        webhooks: toWebhooks(object).map((each) => ({ ...each, clientConfig: {} })),
      })),
      'webhook mutate.valetkey.dev, caBundle: expected a CA certificate, got nothing',
    ],
    [
      'an expired caBundle',
      replaceObject('MutatingWebhookConfiguration', (object) => ({
        webhooks: toWebhooks(object).map((each) => ({
          ...each,
          clientConfig: { caBundle: Buffer.from(expired.certificate).toString('base64') },
        })),
      })),
      'caBundle: expected a CA certificate that is valid now, got one that is valid until 2026-01-02T00:00:00.000Z',
    ],
    [
      'a missing admission policy',
      replaceObject('ValidatingAdmissionPolicy', remove, 'valetkey-exec'),
      'ValidatingAdmissionPolicy valetkey-exec: expected it to exist, got nothing',
    ],
    [
      'an admission policy whose expressions the API server warns about',
      replaceObject('ValidatingAdmissionPolicy', () => ({
        status: { typeChecking: { expressionWarnings: [{ fieldRef: 'spec.validations[0]' }] } },
      })),
      'ValidatingAdmissionPolicy valetkey-pods spec.validations[0]: expected a valid expression',
    ],
    [
      'a missing binding of an admission policy',
      replaceObject('ValidatingAdmissionPolicyBinding', remove, 'valetkey-tokens'),
      'ValidatingAdmissionPolicyBinding valetkey-tokens: expected it to exist, got nothing',
    ],
    [
      'a binding that only warns',
      replaceObject('ValidatingAdmissionPolicyBinding', () => ({
        spec: { policyName: 'valetkey-pods', validationActions: ['Warn'] },
      })),
      'ValidatingAdmissionPolicyBinding valetkey-pods: expected policyName valetkey-pods and validationActions [Deny]',
    ],
    [
      'a missing definition',
      replaceObject('CustomResourceDefinition', remove, 'revocations.valetkey.dev'),
      'CustomResourceDefinition revocations.valetkey.dev: expected it to exist, got nothing',
    ],
    [
      'a definition of another version that is not established',
      replaceObject('CustomResourceDefinition', () => ({ spec: { versions: [{ name: 'v1' }] } })),
      'CustomResourceDefinition taskpolicies.valetkey.dev: expected it to be established',
    ],
    [
      'a cluster-wide object that the user may not read',
      { readClusterObject: rejectForbidden },
      'MutatingWebhookConfiguration valetkey: unknown (list pods: refused (status 403))',
    ],
    [
      'a missing trust bundle',
      {
        readConfigMap: (name) =>
          name === 'valetkey-authority-trust-bundle'
            ? Promise.resolve(undefined)
            : createHealthyCluster().readConfigMap(name),
      },
      'ConfigMap valetkey-authority-trust-bundle: expected a CA certificate, got nothing',
    ],
    [
      'a program of another version',
      { readAuthority: () => Promise.resolve({ ready: 2, wanted: 2, version: '0.0.9' }) },
      'StatefulSet valetkey-authority: expected version 0.1.0 of this program, got 0.0.9',
    ],
    [
      'a missing permission',
      { listPolicies: rejectForbidden },
      'TaskPolicies: unknown (list pods: refused (status 403))',
    ],
  ];
  it.each(problems)('reports %s and exits with 1', async (_, cluster, expected) => {
    const { code, out } = await runCli(['status'], { cluster: { ...cluster } });
    expect(out).toContain(`Problems:\n`);
    expect(out).toContain(expected);
    expect(code).toBe(1);
  });
});

function readHealthyPlatform() {
  return createHealthyCluster().readConfigMap('valetkey-platform');
}
