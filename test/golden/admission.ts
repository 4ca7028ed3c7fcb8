import type { AdmissionRequest } from '../../lib/admission/review.ts';
import type { JsonPatchOp } from '../../lib/contract/json-patch-operation.ts';
import { applyPatch } from '../../lib/injection/json-patch.ts';
import { buildPodRequest, type InProcessAdmission } from '../kit/in-process-admission.ts';
import { createAdmission } from './admissions.ts';
import { captureAnswer, operationsIn } from './answers.ts';
import { mergePlatform, PLATFORMS } from './platforms.ts';
import { readGoldenPods, type GoldenPod } from './pods.ts';

/** Both webhooks, one after the other. */
const admit = async (admission: InProcessAdmission, pod: unknown) => {
  const mutated = await admission.mutate(buildPodRequest(pod));
  const final = applyPatch(pod, operationsIn(mutated));
  const validated = await admission.validate(buildPodRequest(final));
  return { final, answer: { mutate: captureAnswer(mutated), validate: captureAnswer(validated) } };
};

const changed = (pod: unknown, operations: readonly JsonPatchOp[]): unknown => {
  try {
    return applyPatch(pod, operations);
  } catch {
    return undefined;
  }
};

const buildChange = async (
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
  return { mutate: captureAnswer(mutated), validate: captureAnswer(validated) };
};

const EVERY_UPDATE: readonly JsonPatchOp[] = [
  { op: 'add', path: '/metadata/labels/changed', value: 'true' },
];

const buildLaterPod = async (
  admission: InProcessAdmission,
  pod: unknown,
  ops: readonly JsonPatchOp[],
) => {
  const given = changed(pod, ops);
  return given === undefined ? 'the operations do not fit' : (await admit(admission, given)).answer;
};

/** The same pod for a private cloud, whose roles have no account. */
const withoutAccount = (given: GoldenPod): GoldenPod =>
  JSON.parse(
    JSON.stringify(given).replaceAll('arn:aws:iam::111122223333:role/', 'arn:aws:iam:::role/'),
  ) as GoldenPod;

const capture = async (pod: GoldenPod, platform: keyof typeof PLATFORMS): Promise<object> => {
  const base = PLATFORMS[platform];
  if (base === undefined) throw new Error('expected a platform');
  const { dialect } = mergePlatform(base, pod.platform).cloud;
  const given = dialect === 's3' ? withoutAccount(pod) : pod;
  const admission = createAdmission(base, given);
  const { final, answer } = await admit(admission, given.pod);
  const again = await admission.mutate(buildPodRequest(final));
  return {
    ...answer,
    again: captureAnswer(again),
    update: await buildChange(admission, final, given.update ?? EVERY_UPDATE),
    ...(given.after && { after: await buildLaterPod(admission, final, given.after) }),
  };
};

/** What both webhooks answer to each pod of `pods/`, under one platform. */
export const captureAdmission = async (platform: keyof typeof PLATFORMS): Promise<object> => {
  const entries: (readonly [string, object])[] = [];
  for (const pod of readGoldenPods()) entries.push([pod.name, await capture(pod, platform)]);
  return Object.fromEntries(entries);
};
