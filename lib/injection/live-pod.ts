import type { Platform } from '../contract/platform.ts';
import { SIDECAR_ENV } from '../contract/environment.ts';
import type { Pod } from '../contract/pod.ts';
import type { AdmittedTasks } from '../contract/task.ts';
import { fail, succeed, type Fault, type Result } from '../reading/fault.ts';
import { readAdmittedTasks } from '../task/admitted.ts';
import { sidecarsOf } from './consumers.ts';
import type { PlacedContainer } from './containers.ts';
import { readPod } from './pod-shape.ts';
import type { AcceptedProfiles } from './profile.ts';
import { judgePod } from './rules/rules.ts';
import { namedProfile } from './rules/sidecar-equality.ts';

/** A live pod that keeps every rule, and what admission fixed for it. */
export type LivePod = {
  /** From its sidecar's environment: the form is sound; what it says is still to be judged. */
  readonly admitted: AdmittedTasks;
  /** SHA-256 of the profile that it was injected from. */
  readonly profileHash: string;
  readonly pod: Pod;
};

/**
 * Holds rules 2–7 and 9 against a pod as the API server knows it now, by the same code as admission.
 *
 * @param rawPod the API server's own JSON: a library's model would have dropped fields that it does
 *   not know, and a rule might look at one
 * @param settings.profiles every published profile, those that only old pods name included
 * @returns what the pod may ask for, or every breach, each with its rule's id
 */
export const judgeLivePod = (
  rawPod: unknown,
  { platform, profiles }: { readonly platform: Platform; readonly profiles: AcceptedProfiles },
): Result<LivePod> => {
  const read = readPod(rawPod);
  if (!read.ok) return read;
  const pod = read.value;
  const sidecar = sidecarsOf(pod).find(({ list }) => list === 'initContainers');
  const admitted = sidecar && admittedTo(sidecar);
  const tasks = admitted?.ok === true ? admitted.value.tasks : [];
  const context = { platform, profiles, occasion: 'LIVE' as const, tasks };
  // A sidecar without its tasks equals nothing: that would only hide what is wrong.
  const faults = judgePod(pod, context, (id) => admitted?.ok !== false || id !== '2');
  if (admitted?.ok === false) return fail([...admitted.faults, ...faults]);
  if (admitted === undefined || faults.length > 0) return fail(faults);
  return succeed({ admitted: admitted.value, profileHash: namedProfile(pod, profiles).hash, pod });
};

/** The tasks that a sidecar carries; without any it breaks rule 2. */
const admittedTo = ({ path, container }: PlacedContainer): Result<AdmittedTasks> => {
  const env = container.env ?? [];
  const index = env.findIndex(({ name }) => name === SIDECAR_ENV.tasks);
  const source = `${path}/env/${index === -1 ? '-' : index}/value`;
  const admitted = readAdmittedTasks(env[index]?.value ?? '');
  return admitted.ok ? admitted : fail(admitted.faults.map((fault) => inTasks(fault, source)));
};

const inTasks = (fault: Fault, source: string): Fault => ({ ...fault, source, rule: '2' });
