import fc from 'fast-check';
import { anyChange, applyChange, compliantPod } from '../../fuzz/pod-arbitraries.ts';
import { applyPatch } from '../../lib/injection/json-patch.ts';
import { platform } from '../../lib/injection/fixtures/sample-platform.ts';
import { captureOutcome } from './outcomes.ts';
import { buildPodRequest, loadCatalog } from '../kit/in-process-admission.ts';
import { createAdmission } from './admissions.ts';
import { captureAnswer, operationsIn } from './answers.ts';
import { declarations } from './declarations.ts';
import { digest } from './format.ts';
import { createTaskReader } from '../../lib/injection/declared-tasks.ts';

const SEED = 20_260_101;
const RUNS = 300;

const sample = <T>(arbitrary: fc.Arbitrary<T>): readonly T[] =>
  fc.sample(arbitrary, { seed: SEED, numRuns: RUNS });

/** One of three generated pods is changed in a few places, so that many are refused. */
const pods = fc
  .tuple(compliantPod, fc.array(anyChange, { minLength: 1, maxLength: 4 }), fc.nat(2))
  .map(([pod, changes, kind]) =>
    kind === 0 ? pod : changes.reduce<unknown>((at, each) => applyChange(at, each).value, pod),
  );

const admission = createAdmission(platform);

/** A short answer: the patch, which may hold generated text, by its digest. */
const shortAnswer = (answer: object): unknown => {
  const { patch, ...rest } = answer as { readonly patch?: unknown };
  return { ...rest, ...(patch !== undefined && { patch: digest(patch) }) };
};

const admit = async (pod: unknown): Promise<object> => {
  const mutated = await admission.mutate(buildPodRequest(pod));
  const final = applyPatch(pod, operationsIn(mutated));
  const validated = await admission.validate(buildPodRequest(final));
  return [
    digest(pod ?? null).slice(0, 8),
    ...[mutated, validated].map(captureAnswer).map(shortAnswer),
  ];
};

/** Decisions on generated pods. */
export const captureFuzzedPods = async (): Promise<object> => {
  const answers: object[] = [];
  for (const pod of sample(pods)) answers.push(await admit(pod));
  return answers;
};

const readTasks = createTaskReader(platform, loadCatalog);
const consumers = { containers: ['agent', 'helper'], addressable: ['prepare'] };

const readOne = async (text: string): Promise<object> => {
  const result = await readTasks({ annotations: { 'task.valetkey.dev/t': text }, consumers });
  const outcome = result.ok ? { tasks: digest(result.value) } : captureOutcome(result);
  return [digest(text).slice(0, 8), outcome];
};

/** Decisions on generated declarations. */
export const captureFuzzedDeclarations = async (): Promise<object> => {
  const answers: object[] = [];
  for (const text of sample(declarations)) answers.push(await readOne(text));
  return answers;
};
