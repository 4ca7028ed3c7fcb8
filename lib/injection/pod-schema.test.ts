import { describe, expect, it } from '@jest/globals';
import fc from '../../test/kit/fast-check.ts';
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

describe('parsePod', () => {
  it('returns the same object with its unknown fields', () => {
    const pod = { ...agentPod, status: { phase: 'Pending' } };
    const result = parsePod(pod);
    expect(result.ok && result.value).toBe(pod);
  });

  it('refuses names with unpaired surrogates', () => {
    expect(listPaths(buildPod({ containers: [{ name: '\ud800' }] }))).toEqual([
      '/spec/containers/0/name',
    ]);
  });

  it('accepts null for a list', () => {
    expect(listPaths(buildPod({ initContainers: null, volumes: null }))).toEqual([]);
  });

  it('reads null members as absent, as Helm writes keys without a value', () => {
    const metadata = { name: 'agent', labels: null, annotations: { 'a/b': null } };
    const container = { name: 'agent', env: null, securityContext: { capabilities: null } };
    const spec = { hostPID: null, resources: null, containers: [container] };
    expect(parsePod({ metadata, spec, status: { phase: null, ip: 'x' } })).toEqual({
      ok: true,
      value: {
        // The API server keeps the key of an annotation, so a null declaration is an empty one.
        metadata: { name: 'agent', annotations: { 'a/b': '' } },
        spec: { containers: [{ name: 'agent', securityContext: {} }] },
        status: { ip: 'x' },
      },
    });
  });

  it('keeps null elements of a list, so that no index changes', () => {
    expect(listPaths(buildPod({ containers: [{ name: 'a', env: [null] }] }))).toEqual([
      '/spec/containers/0/env/0',
    ]);
  });

  it('reads a value that is nested deeper than any pod without exhausting the stack', () => {
    const deep = JSON.parse(`${'{"a":'.repeat(5000)}null${'}'.repeat(5000)}`) as object;
    expect(listPaths({ ...buildPod({ containers: [{ name: 'a' }] }), deep })).toEqual([]);
  });

  it('says that null containers are a fault', () => {
    expect(parsePod(buildPod({ containers: null }))).toEqual({
      ok: false,
      faults: [
        {
          path: '/spec/containers',
          expected: 'a list with at least one container',
          got: 'null',
        },
      ],
    });
  });

  it.each([
    ['containers', { containers: Array(1001).fill({ name: 'a' }) }, '/spec/containers'],
    [
      'variables',
      { containers: [{ name: 'a', env: Array(1001).fill({ name: 'A' }) }] },
      '/spec/containers/0/env',
    ],
  ])('refuses a pod with too many %s', (_what, spec, path) => {
    expect(listPaths(buildPod(spec))).toEqual([path]);
  });

  it.each([
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
  ])('reports the path of %s', (_, value, path) => {
    expect(listPaths(value)).toEqual([path]);
  });

  it('reports every fault at once', () => {
    const spec = { hostPID: 1, containers: [{ name: 1, env: [{ name: 1, value: 1 }] }] };
    expect(listPaths(buildPod(spec))).toEqual([
      '/spec/containers/0/name',
      '/spec/containers/0/env/0/name',
      '/spec/containers/0/env/0/value',
      '/spec/hostPID',
    ]);
  });

  it('does not use a member named __proto__ as the prototype', () => {
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

describe('a hostile pod', () => {
  it('never makes a function throw, as any JSON', () => {
    fc.assert(fc.property(fc.jsonValue(), expectSameResult));
  });

  it.each<[string, Pod]>([
    ['before injection', agentPod],
    ['after injection', injectPod()],
  ])('never makes a function throw: %s with any JSON in it', (_, pod) => {
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
