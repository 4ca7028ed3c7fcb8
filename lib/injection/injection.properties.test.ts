import { describe, expect, it } from '@jest/globals';
import fc from '../../test/kit/fast-check.ts';
import type { JsonPatchOp } from '../contract/json-patch-operation.ts';
import type { Container, Pod } from '../contract/pod.ts';
import { DELIVERIES } from '../contract/task.ts';
import { findConsumerNames } from './consumers.ts';
import { listContainers } from './containers.ts';
import { platform, buildTask } from './fixtures/sample-platform.ts';
import {
  agentPod,
  agentTasks,
  applyApiDefaults,
  injectPod,
  buildInjectionPatch,
  evaluateNewPod,
} from './fixtures/injected-pods.ts';
import { applyPatch, toJsonPointer } from './json-patch.ts';
import { planInjection } from './injection-plan.ts';
import { parsePod } from './pod-schema.ts';
import { buildInjectionTemplate } from './injection-template.ts';

const optionalArbitrary = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.option(arbitrary, { nil: undefined });

/** Any JSON value; JSON writes -0 as 0. */
const sent = fc.jsonValue().map((value): unknown => JSON.parse(JSON.stringify(value)));

/** A container that complies with rule 4, with or without defaults, and has unknown fields. */
const container = fc.record(
  {
    image: fc.constantFrom('a:1', 'b:2'),
    env: fc.uniqueArray(
      fc.record({ name: fc.constantFrom('LOG', 'AWS_REGION', 'PATH'), value: fc.string() }),
      { selector: ({ name }) => name },
    ),
    volumeMounts: fc.constantFrom(
      [],
      [{ name: 'scratch', mountPath: '/tmp' }],
      [
        {
          name: 'kube-api-access-abcde',
          mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
        },
      ],
    ),
    securityContext: fc.record(
      {
        allowPrivilegeEscalation: fc.constant(false),
        capabilities: fc.constantFrom({ drop: ['ALL'] }, {}),
        seccompProfile: fc.constant({ type: 'RuntimeDefault' }),
        seLinuxOptions: fc.constant({ level: 's0' }),
      },
      { requiredKeys: [] },
    ),
    resources: fc.constantFrom({}, { limits: { cpu: '1', memory: '1Gi' } }),
    workingDir: fc.string(),
    livenessProbe: sent,
  },
  { requiredKeys: ['image'] },
);

const containersArbitrary = (prefix: string, min: number) =>
  fc
    .array(container, { minLength: min, maxLength: 3 })
    .map((list) => list.map((each, index) => ({ ...each, name: `${prefix}${index}` })));

/** A pod with the containers that two tasks name. */
const declared = fc
  .record({
    ordinary: containersArbitrary('c', 1),
    init: containersArbitrary('i', 0),
    native: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    labels: optionalArbitrary(fc.dictionary(fc.constantFrom('app', 'tier'), fc.string())),
    spec: fc.dictionary(fc.constantFrom('priorityClassName', 'tolerations'), sent),
    automount: optionalArbitrary(fc.boolean()),
    named: fc.infiniteStream(fc.boolean()),
  })
  .map(({ ordinary, init, native, labels, spec, automount, named }) => {
    const initContainers = init.map((each, index) => ({
      ...each,
      ...(native[index] === true && { restartPolicy: 'Always' }),
    }));
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        annotations: { 'task.valetkey.dev/a': '', 'task.valetkey.dev/b': '' },
        ...(labels && { labels }),
      },
      spec: {
        ...spec,
        securityContext: { runAsNonRoot: true },
        containers: ordinary,
        ...(initContainers.length > 0 && { initContainers }),
        volumes: [
          { name: 'scratch', emptyDir: {} },
          { name: 'kube-api-access-abcde', projected: { sources: [] } },
        ],
        ...(automount !== undefined && { automountServiceAccountToken: automount }),
      },
    } as unknown as Pod;
    const names = listContainers(pod).map(({ container: { name } }) => name);
    const pick = () => names.filter(() => named.next().value);
    const [first, second] = [pick(), pick()];
    const pickDelivery = () => DELIVERIES[named.next().value ? 1 : 0];
    const tasks = [
      { ...buildTask('a', first.length > 0 ? first : ['c0']), delivery: pickDelivery() },
      { ...buildTask('b', second.length > 0 ? second : ['c0']), delivery: pickDelivery() },
    ];
    return { pod, tasks };
  });

const removeInjectedFields = (pod: Pod) => {
  const json = structuredClone(pod);
  return [json.spec?.containers, json.spec?.initContainers];
};

describe('injection', () => {
  it('produces a pod that passes every rule, with and without API defaults', () => {
    fc.assert(
      fc.property(declared, ({ pod, tasks }) => {
        const injected = injectPod({ pod, tasks });
        expect(evaluateNewPod(injected, { tasks })).toEqual([]);
        expect(evaluateNewPod(applyApiDefaults(injected), { tasks })).toEqual([]);
      }),
    );
  });

  it('adds nothing to an injected pod, also after API defaults', () => {
    fc.assert(
      fc.property(declared, ({ pod, tasks }) => {
        const injected = injectPod({ pod, tasks });
        expect(buildInjectionPatch({ pod: injected, tasks })).toEqual([]);
        expect(buildInjectionPatch({ pod: applyApiDefaults(injected), tasks })).toEqual([]);
      }),
    );
  });

  it('changes no field that injection does not own', () => {
    fc.assert(
      fc.property(declared, ({ pod, tasks }) => {
        const injected = injectPod({ pod, tasks });
        const before = removeInjectedFields(pod);
        const after = removeInjectedFields(injected);
        const known = ['securityContext', 'env', 'volumeMounts'];
        const rest = (list: readonly Container[] | undefined) =>
          (list ?? [])
            .filter(({ name }) => name !== 'valetkey-sidecar')
            .map((each) => Object.entries(each).filter(([key]) => !known.includes(key)));
        expect(after.map(rest)).toEqual(before.map(rest));
        const injectedInto = ['containers', 'initContainers', 'volumes'];
        const others = Object.entries(pod.spec ?? {}).filter(
          ([key]) => !injectedInto.includes(key),
        );
        expect(injected.spec).toMatchObject({
          ...Object.fromEntries(others),
          automountServiceAccountToken: false,
        });
        expect(injected.metadata).toMatchObject(pod.metadata ?? {});
        expect(injected.spec?.volumes?.[0]).toEqual(pod.spec?.volumes?.[0]);
      }),
    );
  });

  it('mounts no API token and no exchange token in a consumer', () => {
    fc.assert(
      fc.property(declared, ({ pod, tasks }) => {
        const mounts = listContainers(injectPod({ pod, tasks }))
          .filter(({ container: { name } }) => name !== 'valetkey-sidecar')
          .flatMap(({ container: { volumeMounts = [] } }) => volumeMounts.map(({ name }) => name));
        expect(mounts.filter((name) => /^(kube-api-access-|valetkey-token)/.test(name))).toEqual(
          [],
        );
      }),
    );
  });

  it('adds security defaults, but no consumer mount, to a container that is added later', () => {
    const injected = injectPod();
    const late = { name: 'late', image: 'late:1' };
    const changed = applyPatch(injected, [{ op: 'add', path: '/spec/containers/0', value: late }]);
    const pod = changed as Pod;
    expect(findConsumerNames(pod, platform).containers).toEqual(['agent', 'helper']);
    const operations = buildInjectionPatch({ pod });
    expect(operations.map(({ path }) => path)).toEqual(['/spec/containers/0/securityContext']);
    expect(evaluateNewPod(applyPatch(pod, operations) as Pod)).toEqual([]);
  });

  it('refuses tasks that do not fit into one environment variable', () => {
    const tasks = agentTasks.map((task) => ({ ...task, purpose: 'x'.repeat(128 * 1024) }));
    const plan = planInjection({
      pod: agentPod,
      tasks,
      platform,
      published: buildInjectionTemplate(platform),
    });
    expect(plan).toMatchObject({
      ok: false,
      faults: [{ path: '/metadata/annotations', expected: expect.stringContaining('131072') }],
    });
  });
});

/** Every single change below a value: another leaf, a removed field, an added field or element. */
const listMutations = (value: unknown, path: string): readonly JsonPatchOp[] => {
  if (Array.isArray(value)) {
    return [
      { op: 'add', path: `${path}/-`, value: 'x' },
      ...value.flatMap((item, index) => [
        { op: 'remove' as const, path: `${path}/${index}` },
        ...listMutations(item, `${path}/${index}`),
      ]),
    ];
  }
  if (typeof value === 'object' && value !== null) {
    return [
      { op: 'add', path: `${path}/unknown`, value: 'x' },
      ...Object.entries(value).flatMap(([name, member]) => [
        { op: 'remove' as const, path: `${path}${toJsonPointer(name)}` },
        ...listMutations(member, `${path}${toJsonPointer(name)}`),
      ]),
    ];
  }
  return [{ op: 'replace', path, value: toOtherValue(value) }];
};

const toOtherValue = (value: unknown): unknown => {
  if (typeof value === 'boolean') return !value;
  return typeof value === 'number' ? value + 1 : `${String(value)}x`;
};

describe('a change of any injected field', () => {
  const pod = injectPod();
  const spec = pod.spec ?? {};
  const injectedChanges = [
    ...listMutations(spec.initContainers?.[0], '/spec/initContainers/0'),
    ...listMutations(spec.volumes, '/spec/volumes'),
    ...listMutations(spec.automountServiceAccountToken, '/spec/automountServiceAccountToken'),
    ...listMutations(pod.metadata?.labels, '/metadata/labels'),
    ...listMutations(spec.containers?.[0]?.volumeMounts, '/spec/containers/0/volumeMounts'),
    ...listMutations(spec.containers?.[0]?.securityContext, '/spec/containers/0/securityContext'),
    ...[0, 1, 2].flatMap((index) =>
      listMutations(spec.containers?.[0]?.env?.[index], `/spec/containers/0/env/${index}`),
    ),
  ];
  /** Changes by a cluster, or of fields that injection does not set. */
  const harmless = [
    // The API server leaves an empty value out.
    'remove /spec/initContainers/0/env/0/value',
    // Labels of others, and container fields that injection does not set.
    'add /metadata/labels/unknown',
    'add /spec/containers/0/volumeMounts/0/unknown',
    'add /spec/containers/0/securityContext/unknown',
    'add /spec/containers/0/securityContext/capabilities/unknown',
    'add /spec/containers/0/securityContext/seccompProfile/unknown',
    ...[0, 1, 2].map((index) => `add /spec/containers/0/env/${index}/unknown`),
    'add /spec/containers/0/securityContext/capabilities/drop/-',
  ];

  it('is refused, except API defaults and allowed changes', () => {
    const survivors = injectedChanges.filter((change) => {
      const changed = parsePod(applyPatch(pod, [change]));
      return changed.ok && evaluateNewPod(changed.value).length === 0;
    });
    const names = survivors.map(({ op, path }) => `${op} ${path}`);
    expect(names.sort()).toEqual([...harmless].sort());
    expect(injectedChanges.length).toBeGreaterThan(150);
  });
});
