import { afterEach, describe, expect, test } from '@jest/globals';

import type { Pod } from '../../lib/contract/pod.ts';
import type { ConfigMapChange, StoredConfigMap } from '../../lib/edge/kubernetes/config-maps.ts';
import { KubernetesError } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import { platform } from '../../lib/injection/fixtures/sample-platform.ts';
import { buildInjectionTemplate } from '../../lib/injection/injection-template.ts';
import {
  formatPublishedAnnotation,
  formatSeenAnnotation,
  formatTimestamp,
} from './template-garbage-collection.ts';
import { createTemplateRegistry, type TemplateRegistry } from './template-registry.ts';

const now = Date.parse('2030-01-01T12:00:00Z');
const ours = buildInjectionTemplate(platform);
const theirs = buildInjectionTemplate({
  ...platform,
  sidecar: { ...platform.sidecar, image: 'registry.example/valetkey:0.2.0' },
});

const opened: TemplateRegistry[] = [];
afterEach(() => opened.splice(0).forEach((profiles) => profiles.stop()));

const createTestRegistry = (initial?: StoredConfigMap, pods: readonly Pod[] = []) => {
  const map = { state: initial };
  const changes: ConfigMapChange[] = [];
  const quiet = (): void => undefined;
  let reads = 0;
  let at = 10_000;
  let meanwhile: () => void | Promise<void> = quiet;
  let sendState: (state: StoredConfigMap | undefined) => void = () => undefined;
  const profiles = createTemplateRegistry({
    store: {
      read: async () => {
        reads += 1;
        const { state } = map;
        await meanwhile();
        return state;
      },
      create: () => {
        map.state ??= { resourceVersion: '1', data: {}, annotations: {} };
        return Promise.resolve();
      },
      change: (change) => {
        if (map.state === undefined) {
          const reason = { reason: 'gone' };
          return Promise.reject(new KubernetesError('notFound', 'patch configmap', reason));
        }
        changes.push(change);
        return Promise.resolve();
      },
    },
    watch: ({ onState }) => {
      sendState = onState;
      return quiet;
    },
    listInjectedPods: async function* () {
      await Promise.resolve();
      yield* pods;
    },
    clock: { now: () => now, monotonic: () => at },
    random: () => 0.5,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    onCount: quiet,
    everyMs: 3_600_000,
  });
  profiles.use(ours);
  opened.push(profiles);
  return {
    profiles,
    changes,
    map,
    tell: (state: StoredConfigMap | undefined) => sendState(state),
    reads: () => reads,
    /** Happens while a read is under way, after its answer was made. */
    during: (happens: () => void) => {
      meanwhile = () => {
        meanwhile = quiet;
        happens();
      };
    },
    pass: (ms: number) => (at += ms),
  };
};

const buildConfigMap = (...published: { hash: string; text: string }[]): StoredConfigMap => ({
  resourceVersion: '7',
  data: Object.fromEntries(published.map(({ hash, text }) => [hash, text])),
  annotations: Object.fromEntries(
    published.flatMap(({ hash }) => [
      [formatSeenAnnotation(hash), formatTimestamp(now - 7_200_000)],
      [formatPublishedAnnotation(hash), formatTimestamp(now - 600_000)],
    ]),
  ),
});

/** As it stands after the platform was changed: a live pod still names theirs, no replica does. */
const buildOutdatedConfigMap = (): StoredConfigMap => {
  const state = buildConfigMap(ours, theirs);
  const old = { [formatPublishedAnnotation(theirs.hash)]: formatTimestamp(now - 1_200_001) };
  const seen = { [formatSeenAnnotation(theirs.hash)]: formatTimestamp(now) };
  return { ...state, annotations: { ...state.annotations, ...old, ...seen } };
};

const waitUntil = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
};

describe('profiles', () => {
  test('are published into a ConfigMap that is made where there is none', async () => {
    const { changes } = createTestRegistry();
    await waitUntil(() => changes.length > 0);
    expect(changes[0]).toEqual({
      data: { [ours.hash]: ours.text },
      annotations: {
        [formatSeenAnnotation(ours.hash)]: formatTimestamp(now),
        [formatPublishedAnnotation(ours.hash)]: formatTimestamp(now),
      },
    });
  });

  test('are published once our own watch has seen ours, not before', () => {
    const { profiles, tell } = createTestRegistry();
    expect(profiles.isPublished()).toBe(false);
    expect(profiles.ageSeconds()).toBeUndefined();
    tell(buildConfigMap(theirs));
    expect(profiles.isPublished()).toBe(false);
    tell(buildConfigMap(ours, theirs));
    expect(profiles.isPublished()).toBe(true);
    expect([...profiles.accepted().keys()].sort()).toEqual([ours.hash, theirs.hash].sort());
  });

  test('that only old pods name are accepted of no new pod: a copy would undo what was tightened', () => {
    const { profiles, tell } = createTestRegistry();
    tell(buildOutdatedConfigMap());
    expect([...profiles.accepted().keys()]).toEqual([ours.hash]);
  });

  test('without a time of publication are accepted of no new pod', () => {
    const { profiles, tell } = createTestRegistry();
    tell({ ...buildConfigMap(ours, theirs), annotations: {} });
    expect(profiles.accepted().size).toBe(0);
  });

  test('know how long the watch has been silent', () => {
    const { profiles, tell, pass } = createTestRegistry();
    tell(buildConfigMap(ours));
    pass(42_000);
    expect(profiles.ageSeconds()).toBe(42);
  });

  test('that are not what their hash says are accepted by nobody', () => {
    const { profiles, tell } = createTestRegistry();
    tell(buildConfigMap({ hash: theirs.hash, text: theirs.text.replace('0.2.0', 'evil') }));
    expect(profiles.accepted().size).toBe(0);
  });

  test('that the watch tells during a look are not undone by its older answer', async () => {
    const { profiles, map, tell, during, reads, changes } = createTestRegistry(
      buildConfigMap(ours),
    );
    await waitUntil(() => changes.length > 0 && reads() > 0);
    const before = reads();
    during(() => {
      map.state = buildConfigMap(ours, theirs);
      tell(map.state);
    });
    await profiles.refreshIfUnknown('made-up');
    expect([...profiles.accepted().keys()].sort()).toEqual([ours.hash, theirs.hash].sort());
    expect(reads() - before).toBe(2);
  });

  test('that are not known are looked for, at most once a second', async () => {
    const { profiles, map, reads, pass, changes } = createTestRegistry(buildConfigMap(ours));
    await waitUntil(() => changes.length > 0 && reads() > 0);
    const before = reads();
    await Promise.all([
      profiles.refreshIfUnknown('made-up'),
      profiles.refreshIfUnknown('made-up too'),
    ]);
    await profiles.refreshIfUnknown('made-up again');
    expect(reads()).toBe(before + 1);
    map.state = buildConfigMap(ours, theirs);
    pass(1_000);
    await profiles.refreshIfUnknown(theirs.hash);
    expect(profiles.accepted().has(theirs.hash)).toBe(true);
    pass(1_000);
    await profiles.refreshIfUnknown(theirs.hash);
    await profiles.refreshIfUnknown(ours.hash);
    expect(reads()).toBe(before + 2);
  });

  test('are injected only once all can know them; what was injected until then stays published', async () => {
    const { profiles, tell, changes } = createTestRegistry();
    expect(profiles.published()).toBeUndefined();
    tell(buildConfigMap(ours));
    expect(profiles.published()).toEqual(ours);
    await waitUntil(() => changes.length > 0);
    const before = changes.length;
    profiles.use(theirs);
    expect(profiles.published()).toEqual(ours);
    expect(profiles.isPublished()).toBe(true);
    await waitUntil(() =>
      changes.slice(before).some(({ data }) => data?.[theirs.hash] !== undefined),
    );
    const change = changes.slice(before).find(({ data }) => data?.[theirs.hash] !== undefined);
    expect(change).toEqual({
      data: { [ours.hash]: ours.text, [theirs.hash]: theirs.text },
      annotations: Object.fromEntries(
        [ours.hash, theirs.hash].flatMap((hash) => [
          [formatSeenAnnotation(hash), formatTimestamp(now)],
          [formatPublishedAnnotation(hash), formatTimestamp(now)],
        ]),
      ),
    });
    tell(buildConfigMap(ours, theirs));
    expect(profiles.published()).toEqual(theirs);
  });

  test('that were used already are not published again at once', async () => {
    const { profiles, tell, changes } = createTestRegistry();
    await waitUntil(() => changes.length > 0);
    tell(buildConfigMap(ours));
    const before = changes.length;
    profiles.use(ours);
    await new Promise((resolve) => setImmediate(resolve));
    expect(changes).toHaveLength(before);
    expect(profiles.published()).toEqual(ours);
  });

  test('that nobody names are collected, under the version that was read', async () => {
    const { changes } = createTestRegistry(buildConfigMap(ours, theirs));
    await waitUntil(() => changes.length > 1);
    expect(changes[1]).toMatchObject({ data: { [theirs.hash]: null }, resourceVersion: '7' });
  });

  test('that a live pod names are kept', async () => {
    const env = [{ name: 'VALETKEY_PROFILE', value: theirs.hash }];
    const pod = { spec: { containers: [], initContainers: [{ name: 'valetkey-sidecar', env }] } };
    const { changes } = createTestRegistry(buildConfigMap(ours, theirs), [pod]);
    await waitUntil(() => changes.length > 1);
    expect(changes[1]?.data).toEqual({});
    expect(Object.keys(changes[1]?.annotations ?? {})).toContain(formatSeenAnnotation(theirs.hash));
  });
});
