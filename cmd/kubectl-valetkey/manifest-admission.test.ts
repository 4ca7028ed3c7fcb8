import { describe, expect, it } from '@jest/globals';

import { allowed } from '../../lib/admission/outcome.ts';
import type { AdmissionOutcome } from '../../lib/admission/review.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import { platform } from '../../lib/injection/fixtures/sample-platform.ts';
import type { PodContext } from '../../lib/injection/pod-context.ts';
import { buildExemptionNotes } from '../../lib/injection/exemptions.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import {
  applyOutcome,
  buildPodRequest,
  createInProcessAdmission,
  loadCatalog,
} from '../../test/kit/in-process-admission.ts';
import { evaluateManifest, type ManifestResult } from './manifest-admission.ts';

const namespace = 'research';
const good = {
  metadata: {
    name: 'agent',
    annotations: {
      'task.valetkey.dev/read':
        '{role: "arn:aws:iam::111122223333:role/r", lifetime: 10m, allow: [{actions: [s3:GetObject], resources: ["arn:aws:s3:::acme/*"]}]}',
    },
  },
  spec: { containers: [{ name: 'agent', image: 'a', securityContext: { runAsNonRoot: true } }] },
};

const withSpec = (spec: object): object => ({ ...good, spec: { ...good.spec, ...spec } });
const buildAgentSpec = (changes: object): object => ({
  containers: good.spec.containers.map((each) => ({ ...each, ...changes })),
});
const withAgent = (changes: object): object => withSpec(buildAgentSpec(changes));
const KEY = [{ name: 'AWS_ACCESS_KEY_ID', value: 'x' }];
const INJECTED = [{ name: 'AWS_CONTAINER_CREDENTIALS_FULL_URI', value: 'x' }];

const PODS: readonly (readonly [string, object])[] = [
  ['complies with every rule', good],
  ['does not exclude root', withAgent({ securityContext: undefined })],
  ['adds a capability', withAgent({ securityContext: { capabilities: { add: ['CHOWN'] } } })],
  ['is privileged', withAgent({ securityContext: { privileged: true } })],
  ['uses the host network', withSpec({ hostNetwork: true })],
  ['has a hostPath volume', withSpec({ volumes: [{ name: 'x', hostPath: { path: '/' } }] })],
  ['has static keys', withAgent({ env: KEY })],
  ['has the key of another service', withAgent({ env: [{ name: 'HF_TOKEN', value: 'x' }] })],
  [
    'has static keys and uses the host network',
    withSpec({ ...buildAgentSpec({ env: KEY }), hostNetwork: true }),
  ],
  ['sets a variable that injection sets', withAgent({ env: INJECTED })],
  ['names a service account', withSpec({ serviceAccountName: 'reporter' })],
  [
    'has a reserved label',
    { ...good, metadata: { ...good.metadata, labels: { 'valetkey.dev/x': '' } } },
  ],
  ['has a reserved volume name', withSpec({ volumes: [{ name: 'valetkey-x', emptyDir: {} }] })],
  [
    'declares an invalid task',
    { ...good, metadata: { annotations: { 'task.valetkey.dev/read': 'x' } } },
  ],
];

const withPodSettings = (pods: Partial<Platform['pods']>): Platform => ({
  ...platform,
  pods: { ...platform.pods, ...pods },
});
const withExemptions = (...rules: readonly ('1' | '3' | '4' | '7')[]): Platform =>
  withPodSettings({ ruleExemptions: rules.map((rule) => ({ namespace, rule })) });
const MODE = { 'valetkey.dev/mode': 'warn' };
const BOUND = { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::111122223333:role/x' };

const NAMESPACES: readonly (readonly [string, Platform, PodContext])[] = [
  ['has no settings', platform, {}],
  ['has level baseline', withPodSettings({ baselineNamespaces: [namespace] }), {}],
  ['is exempted from rules 1, 3 and 4', withExemptions('1', '3', '4'), {}],
  ['is exempted from rule 7', withExemptions('7'), { labels: {} }],
  [
    'has no exemption, while another namespace has',
    withPodSettings({ ruleExemptions: [{ namespace: 'other', rule: '3' }] }),
    {},
  ],
  ['refuses keys of other services', withPodSettings({ foreignKeys: 'refuse' }), {}],
  ['migrates', platform, { labels: MODE }],
  ['has a bound account', platform, { serviceAccount: { name: 'reporter', annotations: BOUND } }],
  [
    'has a bound account and migrates',
    platform,
    { labels: MODE, serviceAccount: { name: 'reporter', annotations: BOUND } },
  ],
];

/** Both webhooks, one after the other. */
const admit = async (pod: object, settings: Platform, podContext: PodContext) => {
  const { mutate, validate } = createInProcessAdmission({
    platform: settings,
    readPodContext: () => Promise.resolve(podContext),
  });
  const mutated = await mutate(buildPodRequest(pod, { namespace }));
  if (!mutated.allowed) return { by: 'mutation', outcome: mutated, warnings: [] };
  const outcome = await validate(buildPodRequest(applyOutcome(pod, mutated), { namespace }));
  return {
    by: 'validation',
    outcome,
    warnings: [...(mutated.warnings ?? []), ...(outcome.warnings ?? [])],
  };
};

/** The faults without the advice that follows them. */
const listLines = ({ status }: AdmissionOutcome): readonly string[] =>
  (status?.message ?? '').split('\n').filter((line) => line !== '' && !/^rule \d+: /.test(line));

const evaluateTestPod = (pod: object, settings: Platform, podContext: PodContext) =>
  evaluateManifest(pod, {
    ...{ platform: settings, loadCatalog, namespace },
    readPodContext: () => Promise.resolve({ ...podContext, labelsFrom: 'files' }),
  }) as Promise<ManifestResult>;

describe.each(NAMESPACES)('evaluateManifest in a namespace that %s', (_, settings, podContext) => {
  it.each(PODS)('decides about a pod that %s as admission does', async (__, pod) => {
    const { by, outcome, warnings } = await admit(pod, settings, podContext);
    const { faults, exempted, ...result } = await evaluateTestPod(pod, settings, podContext);
    const messages = faults.map(formatFieldError);
    const admitted = listLines(outcome);
    expect(messages).toEqual(by === 'mutation' ? expect.arrayContaining([...admitted]) : admitted);
    expect(messages.length > 0).toBe(!outcome.allowed);
    if (!outcome.allowed) return;
    const notes = [...result.warnings, ...buildExemptionNotes(exempted).warnings];
    expect(allowed({ warnings: notes }).warnings ?? []).toEqual(warnings);
  });
});

describe('evaluateManifest', () => {
  it('admits, refuses and exempts some of the cases above', async () => {
    const results = await Promise.all(
      NAMESPACES.flatMap(([, settings, podContext]) =>
        PODS.map(([, pod]) => evaluateTestPod(pod, settings, podContext)),
      ),
    );
    const exemptions = results.flatMap(({ exempted }) =>
      exempted.map(({ by, fault }) => `${by} ${fault.rule ?? ''}`),
    );
    expect([...new Set(exemptions)].sort()).toEqual([
      'exemption 1',
      'exemption 3',
      'exemption 4',
      'exemption 7',
      'foreignKeys 7',
      'mode 7',
    ]);
    expect(results.some(({ faults }) => faults.length === 0)).toBe(true);
  });

  it('reports reserved names with their paths, and no violation that injection would correct', async () => {
    const label = { ...good.metadata, labels: { 'valetkey.dev/x': '' } };
    const volumes = ['token', 'consumer-0'].map((name) => ({
      name: `valetkey-${name}`,
      emptyDir: {},
    }));
    const { faults } = await evaluateTestPod(
      { ...withSpec({ volumes }), metadata: label },
      platform,
      {},
    );
    expect(faults.map(({ path, rule }) => `${rule ?? ''} ${path}`).sort()).toEqual([
      '1 /metadata/labels/valetkey.dev~1x',
      '1 /spec/volumes/0/name',
      '1 /spec/volumes/1/name',
    ]);
  });
});
