import { afterEach, describe, expect, it } from '@jest/globals';

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
    sendState: (state: StoredConfigMap | undefined) => sendState(state),
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

/** After a change of the platform: a running pod names the other template, no replica publishes it. */
const buildOutdatedConfigMap = (): StoredConfigMap => {
  const state = buildConfigMap(ours, theirs);
  const old = { [formatPublishedAnnotation(theirs.hash)]: formatTimestamp(now - 1_200_001) };
  const seen = { [formatSeenAnnotation(theirs.hash)]: formatTimestamp(now) };
  return { ...state, annotations: { ...state.annotations, ...old, ...seen } };
};

const waitUntil = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
};

describe('createTemplateRegistry', () => {
  it('publishes the template and creates the ConfigMap if it is missing', async () => {
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

  it('reports the template as published only after the watch has seen it', () => {
    const { profiles, sendState } = createTestRegistry();
    expect(profiles.isPublished()).toBe(false);
    expect(profiles.ageSeconds()).toBeUndefined();
    sendState(buildConfigMap(theirs));
    expect(profiles.isPublished()).toBe(false);
    sendState(buildConfigMap(ours, theirs));
    expect(profiles.isPublished()).toBe(true);
    expect([...profiles.accepted().keys()].sort()).toEqual([ours.hash, theirs.hash].sort());
  });

  it('does not accept templates of old pods for new pods', () => {
    const { profiles, sendState } = createTestRegistry();
    sendState(buildOutdatedConfigMap());
    expect([...profiles.accepted().keys()]).toEqual([ours.hash]);
  });

  it('does not accept templates without a time of publication for new pods', () => {
    const { profiles, sendState } = createTestRegistry();
    sendState({ ...buildConfigMap(ours, theirs), annotations: {} });
    expect(profiles.accepted().size).toBe(0);
  });

  it('reports the time since the last update of the watch', () => {
    const { profiles, sendState, pass } = createTestRegistry();
    sendState(buildConfigMap(ours));
    pass(42_000);
    expect(profiles.ageSeconds()).toBe(42);
  });

  it('rejects templates that do not match their hash', () => {
    const { profiles, sendState } = createTestRegistry();
    sendState(buildConfigMap({ hash: theirs.hash, text: theirs.text.replace('0.2.0', 'evil') }));
    expect(profiles.accepted().size).toBe(0);
  });

  it('does not replace a newer state of the watch by an older read', async () => {
    const { profiles, map, sendState, during, reads, changes } = createTestRegistry(
      buildConfigMap(ours),
    );
    await waitUntil(() => changes.length > 0 && reads() > 0);
    const before = reads();
    during(() => {
      map.state = buildConfigMap(ours, theirs);
      sendState(map.state);
    });
    await profiles.refreshIfUnknown('made-up');
    expect([...profiles.accepted().keys()].sort()).toEqual([ours.hash, theirs.hash].sort());
    expect(reads() - before).toBe(2);
  });

  it('reads unknown templates at most once a second', async () => {
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

  it('uses a template only after its publication, and keeps the previous one published', async () => {
    const { profiles, sendState, changes } = createTestRegistry();
    expect(profiles.published()).toBeUndefined();
    sendState(buildConfigMap(ours));
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
    sendState(buildConfigMap(ours, theirs));
    expect(profiles.published()).toEqual(theirs);
  });

  it('does not publish the same template again immediately', async () => {
    const { profiles, sendState, changes } = createTestRegistry();
    await waitUntil(() => changes.length > 0);
    sendState(buildConfigMap(ours));
    const before = changes.length;
    profiles.use(ours);
    await new Promise((resolve) => setImmediate(resolve));
    expect(changes).toHaveLength(before);
    expect(profiles.published()).toEqual(ours);
  });

  it('deletes unused templates with the resource version that it read', async () => {
    const { changes } = createTestRegistry(buildConfigMap(ours, theirs));
    await waitUntil(() => changes.length > 1);
    expect(changes[1]).toMatchObject({ data: { [theirs.hash]: null }, resourceVersion: '7' });
  });

  it('keeps templates that a running pod names', async () => {
    const env = [{ name: 'VALETKEY_PROFILE', value: theirs.hash }];
    const pod = { spec: { containers: [], initContainers: [{ name: 'valetkey-sidecar', env }] } };
    const { changes } = createTestRegistry(buildConfigMap(ours, theirs), [pod]);
    await waitUntil(() => changes.length > 1);
    expect(changes[1]?.data).toEqual({});
    expect(Object.keys(changes[1]?.annotations ?? {})).toContain(formatSeenAnnotation(theirs.hash));
  });
});
