import { SIDECAR_CONTAINER } from '../../contract/names.ts';
import type { Pod } from '../../contract/pod.ts';
import { show, type Fault } from '../../reading/fault.ts';
import { containersOf, type PlacedContainer } from '../containers.ts';
import type { Judge, JudgeContext } from './rule.ts';

/**
 * Rule 9: nobody joins an injected pod afterwards, but for the break-glass group, and even that
 * never the sidecar. On UPDATE only a new one is a breach: a pod that has one already must still let
 * go of its finalizers.
 */
export const judgeEphemeralContainers: Judge = (pod, context) => {
  const mayJoin = breaksGlass(context);
  return joiningContainers(pod, context.oldPod).flatMap((placed) => [
    ...(mayJoin ? [] : [joining(placed)]),
    ...targeting(placed),
  ]);
};

/** Ephemeral containers that the pod did not have before. */
export const joiningContainers = (
  pod: Pod,
  oldPod: Pod | undefined,
): readonly PlacedContainer[] => {
  const before = new Set((oldPod?.spec?.ephemeralContainers ?? []).map(({ name }) => name));
  return containersOf(pod).filter(
    ({ list, container }) => list === 'ephemeralContainers' && !before.has(container.name),
  );
};

/** Whether the caller is in the group that may; on a live pod nobody calls. */
export const breaksGlass = ({ occasion, platform, groups }: JudgeContext): boolean => {
  const { breakGlassGroup } = platform.pods;
  return (
    occasion === 'UPDATE' &&
    breakGlassGroup !== undefined &&
    (groups ?? []).includes(breakGlassGroup)
  );
};

/** Whether the fault is that of a container that would see the sidecar's processes. */
export const isOfTarget = ({ path }: Fault): boolean => path.endsWith('/targetContainerName');

const joining = ({ path, container }: PlacedContainer): Fault => ({
  path,
  expected: 'no ephemeral container in a pod with a sidecar',
  got: show(container.name),
});

const targeting = ({ path, container }: PlacedContainer): readonly Fault[] =>
  container.targetContainerName === SIDECAR_CONTAINER
    ? [
        {
          path: `${path}/targetContainerName`,
          expected: 'any container but the sidecar, whoever asks',
          got: show(SIDECAR_CONTAINER),
        },
      ]
    : [];
