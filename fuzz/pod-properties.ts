import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { AdmissionOutcome } from '../lib/admission/review.ts';
import { changedBy, mutate, validate } from './admission-scene.ts';
import {
  anyChange,
  anyJson,
  changed,
  decentPod,
  placesIn,
  valueAt,
  type Change,
  type Json,
  type Path,
} from './pods.ts';
import { property, type Property } from './property.ts';

/** A decent pod with a few things changed anywhere: most are refused, some slip through to the plan. */
const disturbed = fc
  .tuple(decentPod, fc.array(anyChange, { minLength: 1, maxLength: 4 }))
  .map(([pod, changes]) => changes.reduce<unknown>((at, each) => changed(at, each).value, pod));

const anything: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: disturbed },
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
const assertAnswer = ({ allowed, status, patch }: AdmissionOutcome): void => {
  if (allowed) {
    assert.equal(status, undefined);
    return;
  }
  assert.equal(patch, undefined);
  assert.equal(status?.code, 403, status?.message);
  assert.ok(status.message !== '');
};

const judgesAnything = property('any pod in: a patch that fits, or faults; never a throw', {
  runs: 200,
  inputs: fc.tuple(anything, anything, fc.constantFrom(...OPERATIONS)),
  examples: [[halfAName, undefined, 'CREATE']],
  holds: async ([object, oldObject, operation]) => {
    const mutated = await mutate(object);
    assertAnswer(mutated);
    const result = changedBy(object, mutated);
    assertAnswer(await validate(result));
    const older = operation === 'CREATE' ? undefined : oldObject;
    assertAnswer(await mutate(object, { operation }));
    assertAnswer(await validate(object, { operation, oldObject: older }));
  },
});

const injected = async (pod: Json): Promise<Json> => {
  const outcome = await mutate(pod);
  assert.ok(outcome.allowed, outcome.status?.message);
  return changedBy(pod, outcome) as Json;
};

const keepsRules = property('an injected pod passes every rule', {
  runs: 150,
  inputs: decentPod,
  holds: async (pod) => {
    const { allowed, status } = await validate(await injected(pod));
    assert.ok(allowed, status?.message);
  },
});

const addsNothingTwice = property('twice adds nothing', {
  runs: 150,
  inputs: decentPod,
  holds: async (pod) => {
    const once = await injected(pod);
    const { allowed, patch, status } = await mutate(once);
    assert.ok(allowed, status?.message);
    assert.deepEqual(patch === undefined ? once : changedBy(once, { allowed, patch }), once);
  },
});

/** What injection is there to take away, or to write itself. */
const isTaken = (path: Path, pod: Json): boolean => {
  const whole = path.join('/');
  if (whole === 'spec/automountServiceAccountToken') return true;
  const owner = /^(spec\/volumes\/\d+|spec\/\w+\/\d+\/volumeMounts\/\d+)/.exec(whole)?.[0];
  if (owner === undefined) return false;
  const { name } = valueAt(pod, owner.split('/')) as { name: string };
  return name.startsWith('kube-api-access-');
};

/** The same place, with elements of lists found by their names: ours stand among them. */
const find = (path: Path, before: unknown, after: unknown): unknown =>
  path.reduce<{ before: unknown; after: unknown }>(
    (at, name) => {
      const next = valueAt(at.before, [name]);
      if (!Array.isArray(at.after)) return { before: next, after: valueAt(at.after, [name]) };
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

const losesNothing = property('no field of the input is lost', {
  runs: 150,
  inputs: decentPod,
  holds: async (pod) => {
    const after = await injected(pod);
    for (const path of placesIn(pod)) {
      const value = valueAt(pod, path);
      const isLeaf = typeof value !== 'object' || value === null;
      if (!isLeaf || isTaken(path, pod)) continue;
      assert.deepEqual(find(path, pod, after), value, path.join('/'));
    }
  },
});

const OUR_ENV = /^(VALETKEY_SOCKET|AWS_CONTAINER_.*)$/;

type Named = { readonly name?: string };

/** Every place of an injected pod that is ours to set. */
const ourPlaces = (pod: Json): readonly Path[] =>
  placesIn(pod).filter((path) => {
    const [spec, list, , members] = path;
    if (path.join('/') === 'metadata/labels/valetkey.dev~1injected') return true;
    if (spec !== 'spec') return path.join('.') === 'metadata.labels.valetkey.dev/injected';
    if (list === 'automountServiceAccountToken') return true;
    const nameAt = (depth: number): string =>
      (valueAt(pod, path.slice(0, depth)) as Named | undefined)?.name ?? '';
    if (list === 'volumes') return path.length > 2 && nameAt(3).startsWith('valetkey-');
    if (list !== 'containers' && list !== 'initContainers') return false;
    if (path.length > 2 && nameAt(3) === 'valetkey-sidecar') return true;
    if (path.length < 5) return false;
    if (members === 'volumeMounts') return nameAt(5).startsWith('valetkey-');
    return members === 'env' && OUR_ENV.test(nameAt(5));
  });

const isEmpty = (value: unknown): boolean => value === undefined || value === null || value === '';

/** What a cluster writes, or what says the same as before, is none of our business. */
const isHarmless = (before: unknown, after: unknown, at: Path, { kind }: Change): boolean => {
  const [was, is] = [valueAt(before, at), valueAt(after, at)];
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

const guardsOurs = property('any single change of what is ours in an injected pod is refused', {
  runs: 400,
  inputs: fc.tuple(decentPod, anyChange),
  holds: async ([pod, change]) => {
    const before = await injected(pod);
    const { value: after, at } = changed(before, change, ourPlaces(before));
    if (isHarmless(before, after, at, change)) return;
    const { allowed } = await validate(after);
    assert.ok(!allowed, `${change.kind} ${at.join('/')}`);
  },
});

export const podProperties: readonly Property[] = [
  judgesAnything,
  keepsRules,
  addsNothingTwice,
  losesNothing,
  guardsOurs,
];
