import { describe, expect, it } from '@jest/globals';
import { getValue, getList } from '../../test/kit/kubernetes-objects.ts';
import {
  applyOutcome,
  buildPodRequest,
  createInProcessAdmission,
} from '../../test/kit/in-process-admission.ts';
import type { AdmissionOutcome } from '../../lib/admission/review.ts';
import { CONSUMER_MOUNT_PATH } from '../../lib/contract/paths.ts';
import { platform } from '../../lib/injection/fixtures/sample-platform.ts';
import {
  EXAMPLE_OPTIONS,
  listInitContainerNames,
  listManifestNames,
  listPodTemplates,
  readManifest,
} from './workload-manifests.ts';
import { listRequests, listInitContainers, WORKLOADS } from './workloads.ts';
import type { Workload } from './workloads.ts';

const { mutate, validate } = createInProcessAdmission({ platform });

const readPodTemplate = ({ name }: Workload) => {
  const templates = readManifest(name, EXAMPLE_OPTIONS).flatMap(listPodTemplates);
  expect(templates).toHaveLength(1);
  return { apiVersion: 'v1', kind: 'Pod', ...templates[0] };
};

/** Evaluates the pod of a workload with both webhooks; returns their message and the final pod. */
const admitWorkload = async (workload: Workload) => {
  const pod = readPodTemplate(workload);
  const mutated = await mutate(buildPodRequest(pod));
  const final = applyOutcome(pod, mutated);
  return { final, answers: [mutated, await validate(buildPodRequest(final))].map(formatOutcome) };
};

const formatOutcome = ({ allowed, status }: AdmissionOutcome) => ({
  allowed,
  refusal: status?.message,
});

const listSocketMounts = (pod: unknown): readonly string[] =>
  [...getList(pod, 'spec.initContainers'), ...getList(pod, 'spec.containers')]
    .filter((container) =>
      getList(container, 'volumeMounts').some(
        (mount) => getValue(mount, 'mountPath') === CONSUMER_MOUNT_PATH,
      ),
    )
    .map((container) => String(getValue(container, 'name')));

const listConsumers = (workload: Workload): readonly string[] => {
  const served = listRequests(workload).filter(({ expected }) => expected.status !== 0);
  const names = [...(workload.workers ?? []), ...served.map(({ container }) => container)];
  return [...new Set(names)];
};

describe('legitimate workloads', () => {
  it('are at least twenty, each with its own manifest', () => {
    const names = WORKLOADS.map(({ name }) => name);
    expect(names.length).toBeGreaterThanOrEqual(20);
    expect(names.toSorted()).toEqual(listManifestNames());
    expect(new Set(WORKLOADS.map(({ description }) => description)).size).toBe(names.length);
  });

  it.each(WORKLOADS)('$name: has pods with its name as the label app', (workload) => {
    const labels = { app: workload.name, team: 'reports' };
    expect(readPodTemplate(workload)).toMatchObject({ metadata: { labels } });
  });

  it.each(WORKLOADS)('$name: is admitted, and injected if it declares tasks', async (workload) => {
    const { final, answers } = await admitWorkload(workload);
    expect(answers).toEqual([{ allowed: true }, { allowed: true }]);
    expect(listInitContainerNames(final)).toEqual(listInitContainers(workload));
    expect(listSocketMounts(final).toSorted()).toEqual(listConsumers(workload).toSorted());
  });
});
