import { describe, expect, test } from '@jest/globals';
import { at, listAt } from '../../charts/objects.ts';
import { changedBy, mutate, validate } from '../../fuzz/admission-scene.ts';
import type { AdmissionOutcome } from '../../lib/admission/review.ts';
import { CONSUMER_MOUNT_PATH } from '../../lib/contract/paths.ts';
import {
  EXAMPLE,
  initContainersIn,
  manifestNames,
  podTemplatesOf,
  readManifest,
} from './manifests.ts';
import { errandsOf, initContainersOf, WORKLOADS } from './workloads.ts';
import type { Workload } from './workloads.ts';

const podOf = ({ name }: Workload) => {
  const templates = readManifest(name, EXAMPLE).flatMap(podTemplatesOf);
  expect(templates).toHaveLength(1);
  return { apiVersion: 'v1', kind: 'Pod', ...templates[0] };
};

/** What both webhooks say of the workload's pod, and what becomes of it. */
const admit = async (workload: Workload) => {
  const pod = podOf(workload);
  const mutated = await mutate(pod);
  const final = changedBy(pod, mutated);
  return { final, answers: [mutated, await validate(final)].map(answerOf) };
};

const answerOf = ({ allowed, status }: AdmissionOutcome) => ({ allowed, refusal: status?.message });

const holdersOfSockets = (pod: unknown): readonly string[] =>
  [...listAt(pod, 'spec.initContainers'), ...listAt(pod, 'spec.containers')]
    .filter((container) =>
      listAt(container, 'volumeMounts').some(
        (mount) => at(mount, 'mountPath') === CONSUMER_MOUNT_PATH,
      ),
    )
    .map((container) => String(at(container, 'name')));

const consumersIn = (workload: Workload): readonly string[] => {
  const served = errandsOf(workload).filter(({ answer }) => answer.status !== 0);
  const names = [...(workload.workers ?? []), ...served.map(({ container }) => container)];
  return [...new Set(names)];
};

describe('legitimate workloads', () => {
  test('are at least twenty, each with a manifest of its own', () => {
    const names = WORKLOADS.map(({ name }) => name);
    expect(names.length).toBeGreaterThanOrEqual(20);
    expect(names.toSorted()).toEqual(manifestNames());
    expect(new Set(WORKLOADS.map(({ shows }) => shows)).size).toBe(names.length);
  });

  test.each(WORKLOADS)('$name: its pods are found by its name', (workload) => {
    const labels = { app: workload.name, team: 'reports' };
    expect(podOf(workload)).toMatchObject({ metadata: { labels } });
  });

  test.each(WORKLOADS)('$name: is admitted, and injected where it should be', async (workload) => {
    const { final, answers } = await admit(workload);
    expect(answers).toEqual([{ allowed: true }, { allowed: true }]);
    expect(initContainersIn(final)).toEqual(initContainersOf(workload));
    expect(holdersOfSockets(final).toSorted()).toEqual(consumersIn(workload).toSorted());
  });
});
