import type { AdmissionRequest } from '../../lib/admission/review.ts';
import type { JsonPatchOp } from '../../lib/contract/json-patch-operation.ts';
import { applyPatch } from '../../lib/injection/json-patch.ts';
import { buildPodRequest, type InProcessAdmission } from '../kit/in-process-admission.ts';
import { createFixtureAdmission } from './admissions.ts';
import { answerOf, operationsIn } from './answers.ts';
import { PLATFORMS } from './platforms.ts';
import { readGoldenPods, type GoldenPod } from './pods.ts';

/** Both webhooks, one after the other. */
const admit = async (admission: InProcessAdmission, pod: unknown) => {
  const mutated = await admission.mutate(buildPodRequest(pod));
  const final = applyPatch(pod, operationsIn(mutated));
  const validated = await admission.validate(buildPodRequest(final));
  return { final, answer: { mutate: answerOf(mutated), validate: answerOf(validated) } };
};

const changed = (pod: unknown, operations: readonly JsonPatchOp[]): unknown => {
  try {
    return applyPatch(pod, operations);
  } catch {
    return undefined;
  }
};

const changeOf = async (
  admission: InProcessAdmission,
  oldObject: unknown,
  operations: readonly JsonPatchOp[],
) => {
  const object = changed(oldObject, operations);
  if (object === undefined) return 'the operations do not fit';
  const update: Partial<AdmissionRequest> = { operation: 'UPDATE', oldObject };
  const [mutated, validated] = [
    await admission.mutate(buildPodRequest(object, update)),
    await admission.validate(buildPodRequest(object, update)),
  ];
  return { mutate: answerOf(mutated), validate: answerOf(validated) };
};

const EVERY_UPDATE: readonly JsonPatchOp[] = [
  { op: 'add', path: '/metadata/labels/changed', value: 'true' },
];

const afterOf = async (
  admission: InProcessAdmission,
  pod: unknown,
  ops: readonly JsonPatchOp[],
) => {
  const given = changed(pod, ops);
  return given === undefined ? 'the operations do not fit' : (await admit(admission, given)).answer;
};

const capture = async (given: GoldenPod, platform: keyof typeof PLATFORMS): Promise<object> => {
  const base = PLATFORMS[platform];
  if (base === undefined) throw new Error('expected a platform');
  const admission = createFixtureAdmission(base, given);
  const { final, answer } = await admit(admission, given.pod);
  const again = await admission.mutate(buildPodRequest(final));
  return {
    ...answer,
    again: answerOf(again),
    update: await changeOf(admission, final, given.update ?? EVERY_UPDATE),
    ...(given.after && { after: await afterOf(admission, final, given.after) }),
  };
};

/** What both webhooks answer to each pod of `pods/`, under one platform. */
export const captureAdmission = async (platform: keyof typeof PLATFORMS): Promise<object> => {
  const entries: (readonly [string, object])[] = [];
  for (const pod of readGoldenPods()) entries.push([pod.name, await capture(pod, platform)]);
  return Object.fromEntries(entries);
};
