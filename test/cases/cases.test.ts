import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { AdmissionOutcome } from '../../lib/admission/review.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import { readAdmittedConsumers } from '../../lib/injection/consumers.ts';
import { platform } from '../../lib/injection/fixtures/sample-platform.ts';
import { applyPatch } from '../../lib/injection/json-patch.ts';
import { listContainers } from '../../lib/injection/containers.ts';
import { mergePlatform } from '../golden/platforms.ts';
import {
  applyOutcome,
  buildPodRequest,
  createInProcessAdmission,
} from '../kit/in-process-admission.ts';
import { getValue } from '../kit/kubernetes-objects.ts';
import { readCases, type AdmissionCase, type AnyPatchOp } from './admission-case.ts';

type Run = {
  readonly pod: Pod;
  readonly outcomes: readonly AdmissionOutcome[];
  readonly update: AdmissionOutcome | undefined;
};

/** Mutates, lets the other webhook change the pod, mutates again, validates, and updates. */
const runCase = async ({ pod, after, update, user, ...given }: AdmissionCase): Promise<Run> => {
  const admission = createInProcessAdmission({ platform: mergePlatform(platform, given.platform) });
  const by = { user: { name: user, groups: [] } };
  const first = await admission.mutate(buildPodRequest(pod, by));
  if (!first.allowed) return { pod: pod as Pod, outcomes: [first], update: undefined };
  const changed = applyOperations(applyOutcome(pod, first), after);
  const second = await admission.mutate(buildPodRequest(changed, by));
  const final = (second.allowed ? applyOutcome(changed, second) : changed) as Pod;
  const validated = await admission.validate(buildPodRequest(final, by));
  const outcomes = [first, second, validated];
  if (update.length === 0) return { pod: final, outcomes, update: undefined };
  const updated = buildPodRequest(applyOperations(final, update), {
    operation: 'UPDATE',
    oldObject: final,
  });
  return { pod: final, outcomes, update: await admission.validate(updated) };
};

const applyOperations = (pod: unknown, operations: readonly AnyPatchOp[]): unknown =>
  operations.reduce((changed: unknown, operation) => {
    if (operation.op !== 'move') return applyPatch(changed, [operation]);
    const value = operation.from
      .split('/')
      .slice(1)
      .reduce<unknown>((at, segment) => (at as Record<string, unknown>)[segment], changed);
    return applyPatch(changed, [
      { op: 'remove', path: operation.from },
      { op: 'add', path: operation.path, value },
    ]);
  }, pod);

const listMessages = ({ outcomes, update }: Run): string =>
  [...outcomes, ...(update ? [update] : [])]
    .flatMap(({ status, warnings }) => [status?.message ?? '', ...(warnings ?? [])])
    .join('\n');

const listTokenHolders = (pod: Pod): readonly string[] =>
  listContainers(pod)
    .filter(({ container }) =>
      (container.volumeMounts ?? []).some(({ name }) => name.startsWith('kube-api-access-')),
    )
    .map(({ container }) => container.name);

const cases = readCases();

describe('pods as they really come', () => {
  it.each(cases.map((each) => [`${each.name}: ${each.title}`, each] as const))(
    'is right about %s',
    async (_, given) => {
      const { expected } = given;
      const run = await runCase(given);
      const { pod, outcomes, update } = run;
      const messages = listMessages(run);
      const refusals = outcomes
        .filter(({ allowed }) => !allowed)
        .map(({ status }) => status?.message);
      if (expected.refused === true) expect(refusals).not.toEqual([]);
      else expect(refusals).toEqual([]);
      for (const text of expected.says ?? []) expect(messages).toContain(text);
      const { consumers, initContainers, apiToken, updateRefused, fields = {} } = expected;
      if (consumers) expect(readAdmittedConsumers(pod)).toEqual(consumers);
      if (initContainers) {
        expect(pod.spec?.initContainers?.map(({ name }) => name)).toEqual(initContainers);
      }
      if (apiToken) expect(listTokenHolders(pod)).toEqual(apiToken);
      for (const [path, value] of Object.entries(fields)) {
        expect([path, getValue(pod, path) ?? null]).toEqual([path, value]);
      }
      if (given.update.length > 0) expect(update?.allowed).toBe(updateRefused !== true);
    },
  );

  it('has a case and a row in docs/mutators.md for each known mutator and controller', () => {
    const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'mutators.md'), 'utf8');
    const tested = new Set(cases.map(({ expected }) => expected.mutator));
    const missing = MUTATORS.filter((name) => !tested.has(name) || !page.includes(`**${name}**`));
    expect(missing).toEqual([]);
  });
});

const MUTATORS = [
  'Kyverno',
  'Gatekeeper',
  'OpenShift SCC',
  'Vertical Pod Autoscaler',
  'LimitRange',
  'GKE Autopilot',
  'Istio',
  'Linkerd',
  'Vault Agent injector',
  'Dapr',
  'Knative',
  'Argo Workflows',
  'Tekton',
  'Airflow',
  'Spark',
  'KubeRay',
  'Actions Runner Controller',
  'agent-sandbox',
  'Argo CD',
  'Flux',
];
