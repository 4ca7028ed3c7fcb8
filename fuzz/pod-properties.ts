import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { AdmissionOutcome, AdmissionRequest } from '../lib/admission/review.ts';
import { platform } from '../lib/injection/fixtures/sample-platform.ts';
import {
  applyOutcome,
  buildPodRequest,
  createInProcessAdmission,
} from '../test/kit/in-process-admission.ts';
import {
  anyChange,
  anyJson,
  applyChange,
  compliantPod,
  listPaths,
  getValueAt,
  type Change,
  type Json,
  type Path,
} from './pod-arbitraries.ts';
import { createProperty, type Property } from './property.ts';

const { mutate, validate } = createInProcessAdmission({ platform });

const mutateObject = (object: unknown, changes: Partial<AdmissionRequest> = {}) =>
  mutate(buildPodRequest(object, changes));

const validateObject = (object: unknown, changes: Partial<AdmissionRequest> = {}) =>
  validate(buildPodRequest(object, changes));

/** A decent pod with a few things changed anywhere: most are refused, some slip through to the plan. */
const changedPod = fc
  .tuple(compliantPod, fc.array(anyChange, { minLength: 1, maxLength: 4 }))
  .map(([pod, changes]) => changes.reduce<unknown>((at, each) => applyChange(at, each).value, pod));

const anything: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: changedPod },
  { weight: 1, arbitrary: anyJson },
);

/** A name that has no canonical form reached what writes the sidecar's environment. */
const halfAName = {
  metadata: {
    annotations: {
      'task.valetkey.dev/a': JSON.stringify({
        role: 'arn:aws:iam::111122223333:role/agent-reports',
        allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/reports/*'] }],
        lifetime: '5m',
      }),
    },
  },
  spec: { containers: [{ name: '\ud800', image: 'a:1' }] },
};

const OPERATIONS = ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'] as const;

/** A yes, or a no that says why. */
const assertOutcome = ({ allowed, status, patch }: AdmissionOutcome): void => {
  if (allowed) {
    assert.equal(status, undefined);
    return;
  }
  assert.equal(patch, undefined);
  assert.equal(status?.code, 403, status?.message);
  assert.ok(status.message !== '');
};

const admitsAnything = createProperty('any pod in: a patch that fits, or faults; never a throw', {
  runs: 200,
  inputs: fc.tuple(anything, anything, fc.constantFrom(...OPERATIONS)),
  examples: [[halfAName, undefined, 'CREATE']],
  holds: async ([object, oldObject, operation]) => {
    const mutated = await mutateObject(object);
    assertOutcome(mutated);
    const result = applyOutcome(object, mutated);
    assertOutcome(await validateObject(result));
    const older = operation === 'CREATE' ? undefined : oldObject;
    assertOutcome(await mutateObject(object, { operation }));
    assertOutcome(await validateObject(object, { operation, oldObject: older }));
  },
});

const injectPod = async (pod: Json): Promise<Json> => {
  const outcome = await mutateObject(pod);
  assert.ok(outcome.allowed, outcome.status?.message);
  return applyOutcome(pod, outcome) as Json;
};

const keepsRules = createProperty('an injected pod passes every rule', {
  runs: 150,
  inputs: compliantPod,
  holds: async (pod) => {
    const { allowed, status } = await validateObject(await injectPod(pod));
    assert.ok(allowed, status?.message);
  },
});

const addsNothingTwice = createProperty('twice adds nothing', {
  runs: 150,
  inputs: compliantPod,
  holds: async (pod) => {
    const once = await injectPod(pod);
    const { allowed, patch, status } = await mutateObject(once);
    assert.ok(allowed, status?.message);
    assert.deepEqual(patch === undefined ? once : applyOutcome(once, { allowed, patch }), once);
  },
});

/** What injection is there to take away, or to write itself. */
const isRemovedByInjection = (path: Path, pod: Json): boolean => {
  const whole = path.join('/');
  if (whole === 'spec/automountServiceAccountToken') return true;
  const owner = /^(spec\/volumes\/\d+|spec\/\w+\/\d+\/volumeMounts\/\d+)/.exec(whole)?.[0];
  if (owner === undefined) return false;
  const { name } = getValueAt(pod, owner.split('/')) as { name: string };
  return name.startsWith('kube-api-access-');
};

/** The same path, with list elements found by name, because injection adds elements. */
const findByName = (path: Path, before: unknown, after: unknown): unknown =>
  path.reduce<{ before: unknown; after: unknown }>(
    (at, name) => {
      const next = getValueAt(at.before, [name]);
      if (!Array.isArray(at.after)) return { before: next, after: getValueAt(at.after, [name]) };
      const key = (next as { mountPath?: string; name?: string } | null) ?? {};
      const same = (item: unknown): boolean =>
        typeof item === 'object' && item !== null && 'mountPath' in key
          ? (item as typeof key).mountPath === key.mountPath
          : (item as typeof key | null)?.name === key.name;
      const isNamed = typeof next === 'object' && next !== null && typeof key.name === 'string';
      return { before: next, after: isNamed ? at.after.find(same) : at.after[Number(name)] };
    },
    { before, after },
  ).after;

const losesNothing = createProperty('no field of the input is lost', {
  runs: 150,
  inputs: compliantPod,
  holds: async (pod) => {
    const after = await injectPod(pod);
    for (const path of listPaths(pod)) {
      const value = getValueAt(pod, path);
      const isLeaf = typeof value !== 'object' || value === null;
      if (!isLeaf || isRemovedByInjection(path, pod)) continue;
      assert.deepEqual(findByName(path, pod, after), value, path.join('/'));
    }
  },
});

const INJECTED_ENV = /^(VALETKEY_SOCKET|AWS_CONTAINER_.*)$/;

type Named = { readonly name?: string };

/** Every place of an injected pod that is ours to set. */
const listInjectedPaths = (pod: Json): readonly Path[] =>
  listPaths(pod).filter((path) => {
    const [spec, list, , members] = path;
    if (path.join('/') === 'metadata/labels/valetkey.dev~1injected') return true;
    if (spec !== 'spec') return path.join('.') === 'metadata.labels.valetkey.dev/injected';
    if (list === 'automountServiceAccountToken') return true;
    const nameAt = (depth: number): string =>
      (getValueAt(pod, path.slice(0, depth)) as Named | undefined)?.name ?? '';
    if (list === 'volumes') return path.length > 2 && nameAt(3).startsWith('valetkey-');
    if (list !== 'containers' && list !== 'initContainers') return false;
    if (path.length > 2 && nameAt(3) === 'valetkey-sidecar') return true;
    if (path.length < 5) return false;
    if (members === 'volumeMounts') return nameAt(5).startsWith('valetkey-');
    return members === 'env' && INJECTED_ENV.test(nameAt(5));
  });

const isEmpty = (value: unknown): boolean => value === undefined || value === null || value === '';

/** What a cluster writes, or what says the same as before, is none of our business. */
const isHarmless = (before: unknown, after: unknown, at: Path, { kind }: Change): boolean => {
  const [was, is] = [getValueAt(before, at), getValueAt(after, at)];
  if (kind === 'add' && isEmpty((is as { unknown?: unknown } | undefined)?.unknown)) {
    if (!Array.isArray(is)) return true;
  }
  if (isEmpty(was) && isEmpty(is)) return true;
  if (JSON.stringify(before) === JSON.stringify(after)) return true;
  const whole = at.join('/');
  if (whole.endsWith('imagePullPolicy') && is === 'Always') return true;
  // A limit that is a LimitRange's to set: without ours the pod is only no longer Guaranteed.
  if (whole.endsWith('initContainers/0/resources/limits/cpu')) return true;
  // A consumer's own members beside those that are ours.
  return kind === 'add' && /^spec\/containers\/|volumeMounts|env/.test(whole);
};

const guardsInjectedFields = createProperty(
  'any single change of what is ours in an injected pod is refused',
  {
    runs: 400,
    inputs: fc.tuple(compliantPod, anyChange),
    holds: async ([pod, change]) => {
      const before = await injectPod(pod);
      const { value: after, at } = applyChange(before, change, listInjectedPaths(before));
      if (isHarmless(before, after, at, change)) return;
      const { allowed } = await validateObject(after);
      assert.ok(!allowed, `${change.kind} ${at.join('/')}`);
    },
  },
);

export const podProperties: readonly Property[] = [
  admitsAnything,
  keepsRules,
  addsNothingTwice,
  losesNothing,
  guardsInjectedFields,
];
