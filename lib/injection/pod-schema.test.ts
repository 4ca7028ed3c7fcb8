import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Pod } from '../contract/pod.ts';
import { findConsumerNames } from './consumers.ts';
import { platform } from './fixtures/sample-platform.ts';
import { agentPod, agentTasks, injectPod, evaluateNewPod } from './fixtures/injected-pods.ts';
import { applyPatch, toJsonPointer } from './json-patch.ts';
import { buildPatch } from './patch.ts';
import { planInjection } from './injection-plan.ts';
import { parsePod } from './pod-schema.ts';
import { buildInjectionTemplate } from './injection-template.ts';
import { evaluateRules } from './rules/rule-evaluation.ts';

const listPaths = (value: unknown): readonly string[] => {
  const result = parsePod(value);
  return result.ok ? [] : result.faults.map(({ path }) => path);
};

const buildPod = (spec: object) => ({ metadata: {}, spec });

describe('a pod', () => {
  test('is answered as the very object that came, unknown fields and all', () => {
    const pod = { ...agentPod, status: { phase: 'Pending' } };
    const result = parsePod(pod);
    expect(result.ok && result.value).toBe(pod);
  });

  test('has names of whole characters: half of one could not be written down again', () => {
    expect(listPaths(buildPod({ containers: [{ name: '\ud800' }] }))).toEqual([
      '/spec/containers/0/name',
    ]);
  });

  test('may have lists that Go wrote as null', () => {
    expect(listPaths(buildPod({ containers: null, volumes: null }))).toEqual([]);
  });

  test.each([
    ['containers', { containers: Array(1001).fill({ name: 'a' }) }, '/spec/containers'],
    [
      'variables',
      { containers: [{ name: 'a', env: Array(1001).fill({ name: 'A' }) }] },
      '/spec/containers/0/env',
    ],
  ])('of very many %s is refused before anything is compared', (_what, spec, path) => {
    expect(listPaths(buildPod(spec))).toEqual([path]);
  });

  test.each([
    ['no mapping', [], '(root)'],
    ['without spec', { metadata: {} }, '/spec'],
    ['with a list for metadata', { metadata: [], spec: {} }, '/metadata'],
    [
      'with a number as annotation',
      { metadata: { annotations: { 'a/b': 1 } }, spec: {} },
      '/metadata/annotations/a~1b',
    ],
    ['with text for a container', buildPod({ containers: ['x'] }), '/spec/containers/0'],
    [
      'with a nameless container',
      buildPod({ initContainers: [{}] }),
      '/spec/initContainers/0/name',
    ],
    ['with text for a flag', buildPod({ hostPID: 'true' }), '/spec/hostPID'],
    ['with null for a flag', buildPod({ hostPID: null }), '/spec/hostPID'],
    [
      'with text for a user',
      buildPod({ containers: [{ name: 'a', securityContext: { runAsUser: '0' } }] }),
      '/spec/containers/0/securityContext/runAsUser',
    ],
    [
      'with a mapping for mounts',
      buildPod({ ephemeralContainers: [{ name: 'a', volumeMounts: { length: 1 } }] }),
      '/spec/ephemeralContainers/0/volumeMounts',
    ],
    [
      'with a number for an audience',
      buildPod({
        volumes: [
          { name: 'a', projected: { sources: [{ serviceAccountToken: { audience: 1 } }] } },
        ],
      }),
      '/spec/volumes/0/projected/sources/0/serviceAccountToken/audience',
    ],
  ])('%s is refused where it is wrong', (_, value, path) => {
    expect(listPaths(value)).toEqual([path]);
  });

  test('names every wrong place at once', () => {
    const spec = { hostPID: 1, containers: [{ name: 1, env: [{ name: 1, value: 1 }] }] };
    expect(listPaths(buildPod(spec))).toEqual([
      '/spec/containers/0/name',
      '/spec/containers/0/env/0/name',
      '/spec/containers/0/env/0/value',
      '/spec/hostPID',
    ]);
  });

  test('with a member named __proto__ has no such prototype', () => {
    const text = '{"metadata":{},"spec":{"__proto__":{"hostPID":"x"}}}';
    expect(listPaths(JSON.parse(text))).toEqual([]);
  });
});

/** Everything that happens to a pod on its way through both webhooks. */
const expectSameResult = (value: unknown): void => {
  const read = parsePod(value);
  if (!read.ok) return;
  const pod = read.value;
  findConsumerNames(pod, platform);
  evaluateNewPod(pod);
  const update = { platform, templates: new Map(), phase: 'UPDATE' as const, tasks: [] };
  evaluateRules(pod, { ...update, oldPod: agentPod });
  const published = buildInjectionTemplate(platform);
  const plan = planInjection({ pod, tasks: agentTasks, platform, published });
  if (plan.ok) applyPatch(pod, buildPatch(pod, plan.value));
};

/** JSON pointers of everything in a value. */
const listPlaces = (value: unknown, path = ''): readonly string[] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, member]) => {
        const at = `${path}${toJsonPointer(key)}`;
        return [at, ...listPlaces(member, at)];
      })
    : [];

describe('no pod, however hostile', () => {
  test('as any JSON, makes anything throw', () => {
    fc.assert(fc.property(fc.jsonValue(), expectSameResult));
  });

  test.each<[string, Pod]>([
    ['before injection', agentPod],
    ['after injection', injectPod()],
  ])('%s, with any JSON anywhere in it, makes anything throw', (_, pod) => {
    const places = listPlaces(pod);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(...places), fc.jsonValue()), { maxLength: 2 }),
        (changes) => {
          const changed = changes.reduce((document: unknown, [path, value]) => {
            try {
              return applyPatch(document, [{ op: 'replace', path, value }]);
            } catch {
              return document; // An earlier change took the place away.
            }
          }, pod);
          expectSameResult(changed);
        },
      ),
      { numRuns: 500 },
    );
  });
});
