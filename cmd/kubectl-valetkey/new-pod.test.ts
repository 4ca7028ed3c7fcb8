import { describe, expect, test } from '@jest/globals';

import { allowed } from '../../lib/admission/outcome.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../../lib/admission/review.ts';
import { createCatalogLoader } from '../../lib/catalog/catalog.ts';
import type { JsonPatchOp } from '../../lib/contract/json-patch-operation.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import { createTaskReader } from '../../lib/injection/declared-tasks.ts';
import { platform } from '../../lib/injection/fixtures/sample-platform.ts';
import { applyPatch } from '../../lib/injection/json-patch.ts';
import { createPodAdmission } from '../../lib/injection/admission.ts';
import { buildInjectionTemplate } from '../../lib/injection/injection-template.ts';
import type { PodContext } from '../../lib/injection/pod-context.ts';
import { buildExemptionNotes } from '../../lib/injection/exemptions.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import { checkNewPod, type NewPodResult } from './new-pod.ts';

const loadCatalog = createCatalogLoader();
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
const OURS = [{ name: 'AWS_CONTAINER_CREDENTIALS_FULL_URI', value: 'x' }];

const PODS: readonly (readonly [string, object])[] = [
  ['keeps every rule', good],
  ['may be root', withAgent({ securityContext: undefined })],
  ['adds a capability', withAgent({ securityContext: { capabilities: { add: ['CHOWN'] } } })],
  ['is privileged', withAgent({ securityContext: { privileged: true } })],
  ["is on the node's network", withSpec({ hostNetwork: true })],
  ['mounts a path of the node', withSpec({ volumes: [{ name: 'x', hostPath: { path: '/' } }] })],
  ['brings static keys', withAgent({ env: KEY })],
  [
    'brings keys and is on the network',
    withSpec({ ...buildAgentSpec({ env: KEY }), hostNetwork: true }),
  ],
  ['sets what injection sets', withAgent({ env: OURS })],
  ['names an account', withSpec({ serviceAccountName: 'reporter' })],
  [
    'bears a label of ours',
    { ...good, metadata: { ...good.metadata, labels: { 'valetkey.dev/x': '' } } },
  ],
  ['bears a volume of ours', withSpec({ volumes: [{ name: 'valetkey-x', emptyDir: {} }] })],
  ['declares nonsense', { ...good, metadata: { annotations: { 'task.valetkey.dev/read': 'x' } } }],
];

const withPodSettings = (pods: Partial<Platform['pods']>): Platform => ({
  ...platform,
  pods: { ...platform.pods, ...pods },
});
const withExemptions = (...rules: readonly ('1' | '3' | '4' | '7')[]): Platform =>
  withPodSettings({ exceptions: rules.map((rule) => ({ namespace, rule })) });
const MODE = { 'valetkey.dev/mode': 'warn' };
const BOUND = { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::111122223333:role/x' };

const NAMESPACES: readonly (readonly [string, Platform, PodContext])[] = [
  ['is given nothing', platform, {}],
  ['has level baseline', withPodSettings({ baselineNamespaces: [namespace] }), {}],
  ['is excepted from rules 1, 3 and 4', withExemptions('1', '3', '4'), {}],
  ['is excepted from rule 7', withExemptions('7'), { labels: {} }],
  ['is of another name', withPodSettings({ exceptions: [{ namespace: 'other', rule: '3' }] }), {}],
  ['migrates', platform, { labels: MODE }],
  ['has a bound account', platform, { serviceAccount: { name: 'reporter', annotations: BOUND } }],
  [
    'has a bound account and migrates',
    platform,
    { labels: MODE, serviceAccount: { name: 'reporter', annotations: BOUND } },
  ],
];

/** Both webhooks, one after the other. */
const admit = async (pod: object, settings: Platform, surroundings: PodContext) => {
  const { mutate, validate } = createPodAdmission({
    platform: settings,
    published: () => buildInjectionTemplate(settings),
    templates: () => new Map(),
    readTasks: createTaskReader(settings, loadCatalog),
    readPodContext: () => Promise.resolve(surroundings),
  });
  const requestFor = (object: unknown): AdmissionRequest => ({
    ...({ uid: 'u', operation: 'CREATE' } as const),
    ...{ subResource: '', namespace, name: '', dryRun: false },
    ...{ kind: { group: '', version: 'v1', kind: 'Pod' }, user: { name: 'a', groups: [] }, object },
  });
  const mutated = await mutate(requestFor(pod));
  if (!mutated.allowed) return { by: 'mutation', outcome: mutated, warnings: [] };
  const patch = Buffer.from(mutated.patch ?? '', 'base64').toString() || '[]';
  const final = applyPatch(pod, JSON.parse(patch) as JsonPatchOp[]);
  const outcome = await validate(requestFor(final));
  return {
    by: 'validation',
    outcome,
    warnings: [...(mutated.warnings ?? []), ...(outcome.warnings ?? [])],
  };
};

/** The breaches alone; advice follows them. */
const listLines = ({ status }: AdmissionOutcome): readonly string[] =>
  (status?.message ?? '').split('\n').filter((line) => line !== '' && !/^rule \d+: /.test(line));

const checkTestPod = (pod: object, settings: Platform, surroundings: PodContext) =>
  checkNewPod(pod, {
    ...{ platform: settings, loadCatalog, namespace },
    readPodContext: () => Promise.resolve({ ...surroundings, labelsFrom: 'files' }),
  }) as Promise<NewPodResult>;

describe.each(NAMESPACES)('in a namespace that %s', (_, settings, surroundings) => {
  test.each(PODS)('a pod that %s is judged as admission judges it', async (__, pod) => {
    const { by, outcome, warnings } = await admit(pod, settings, surroundings);
    const { faults, exempted, ...judged } = await checkTestPod(pod, settings, surroundings);
    const messages = faults.map(formatFieldError);
    const admitted = listLines(outcome);
    expect(messages).toEqual(by === 'mutation' ? expect.arrayContaining([...admitted]) : admitted);
    expect(messages.length > 0).toBe(!outcome.allowed);
    if (!outcome.allowed) return;
    const notes = [...judged.warnings, ...buildExemptionNotes(exempted).warnings];
    expect(allowed({ warnings: notes }).warnings ?? []).toEqual(warnings);
  });
});

test('both say yes and no, and excuse by exception and by mode', async () => {
  const verdicts = await Promise.all(
    NAMESPACES.flatMap(([, settings, surroundings]) =>
      PODS.map(([, pod]) => checkTestPod(pod, settings, surroundings)),
    ),
  );
  const exemptions = verdicts.flatMap(({ exempted }) =>
    exempted.map(({ by, fault }) => `${by} ${fault.rule ?? ''}`),
  );
  expect([...new Set(exemptions)].sort()).toEqual([
    'exception 1',
    'exception 3',
    'exception 4',
    'exception 7',
    'mode 7',
  ]);
  expect(verdicts.some(({ faults }) => faults.length === 0)).toBe(true);
});

test('of a pod with names of ours it tells those, where they stand, and nothing that injection would mend', async () => {
  const label = { ...good.metadata, labels: { 'valetkey.dev/x': '' } };
  const volumes = ['token', 'consumer-0'].map((name) => ({
    name: `valetkey-${name}`,
    emptyDir: {},
  }));
  const { faults } = await checkTestPod(
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
