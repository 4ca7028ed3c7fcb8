import type { NamespaceObjects } from '../../../lib/edge/kubernetes/namespace-objects.ts';
import { createProblemError, EXIT, ToolError } from '../tool-error.ts';
import { CALLS, isInjected, type AgentPod, type CallName } from './agent-manifest.ts';
import { explainPod } from './minio.ts';
import { readPodState } from './pod-state.ts';
import type { Observation } from './waiting.ts';

/** What a container of the agent got. */
export type CallOutcome = { readonly exitCode: number; readonly log: string };
export type CallOutcomes = Readonly<Record<CallName, CallOutcome>>;

/** Whether an earlier agent is gone. */
export const observeRemoval = async (
  objects: NamespaceObjects,
  name: string,
): Promise<Observation<true>> =>
  (await objects.removePod(name)) === 'gone'
    ? { done: true }
    : { pending: `pod ${name} is being deleted` };

/**
 * Creates the agent, and checks that the webhook made it one.
 *
 * @throws ToolError for a pod without a sidecar; KubernetesError with the message of admission
 */
export const createAgent = async (
  objects: NamespaceObjects,
  { namespace, name, object }: AgentPod,
): Promise<void> => {
  await objects.createPod(object);
  const created = await objects.readPod(name);
  if (created !== undefined && isInjected(created)) return;
  throw createProblemError([
    {
      path: `pod ${namespace}/${name}`,
      expected: 'a sidecar, which the webhook adds; kubectl valetkey check shows why it does not',
      got: 'none',
    },
  ]);
};

/**
 * Whether both calls have ended, and what they got.
 *
 * @throws ToolError for an image that cannot be pulled
 */
export const observeCalls = async (
  objects: NamespaceObjects,
  name: string,
  now: () => number,
): Promise<Observation<CallOutcomes>> => {
  const pod = await objects.readPod(name);
  if (pod === undefined) return { pending: `pod ${name} was deleted` };
  const { ended, fatal } = readPodState(pod);
  if (fatal !== undefined) throw new ToolError(EXIT.problems, [`pod ${name}: ${fatal}`]);
  const [allowed, refused] = CALLS.map((call) => ended.find((each) => each.name === call));
  if (allowed === undefined || refused === undefined) {
    return { pending: await explainPod(objects, pod) };
  }
  const readOutcome = async (call: CallName, exitCode: number): Promise<CallOutcome> => ({
    exitCode,
    log: (await objects.readLog(name, call, now())).trim(),
  });
  return {
    done: {
      allowed: await readOutcome('allowed', allowed.exitCode),
      refused: await readOutcome('refused', refused.exitCode),
    },
  };
};
