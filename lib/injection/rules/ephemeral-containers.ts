import { SIDECAR_CONTAINER } from '../../contract/names.ts';
import type { Pod } from '../../contract/pod.ts';
import { formatValue, type FieldError } from '../../schema/field-error.ts';
import { listContainers, type PlacedContainer } from '../containers.ts';
import type { RuleCheck, RuleContext } from './rule.ts';

/**
 * Rule 9: nobody joins an injected pod afterwards, but for the break-glass group, and even that
 * never the sidecar. On UPDATE only a new one is a breach: a pod that has one already must still let
 * go of its finalizers.
 */
export const checkEphemeralContainers: RuleCheck = (pod, context) => {
  const mayJoin = isBreakGlass(context);
  return listAddedEphemeralContainers(pod, context.oldPod).flatMap((placed) => [
    ...(mayJoin ? [] : [buildAddedContainerError(placed)]),
    ...checkTarget(placed),
  ]);
};

/** Ephemeral containers that the pod did not have before. */
export const listAddedEphemeralContainers = (
  pod: Pod,
  oldPod: Pod | undefined,
): readonly PlacedContainer[] => {
  const before = new Set((oldPod?.spec?.ephemeralContainers ?? []).map(({ name }) => name));
  return listContainers(pod).filter(
    ({ list, container }) => list === 'ephemeralContainers' && !before.has(container.name),
  );
};

/** Whether the caller is in the group that may; on a live pod nobody calls. */
export const isBreakGlass = ({ phase, platform, groups }: RuleContext): boolean => {
  const { breakGlassGroup } = platform.pods;
  return (
    phase === 'UPDATE' && breakGlassGroup !== undefined && (groups ?? []).includes(breakGlassGroup)
  );
};

/** Whether the fault is that of a container that would see the sidecar's processes. */
export const isSidecarTargetError = ({ path }: FieldError): boolean =>
  path.endsWith('/targetContainerName');

const buildAddedContainerError = ({ path, container }: PlacedContainer): FieldError => ({
  path,
  expected: 'no ephemeral container in a pod with a sidecar',
  got: formatValue(container.name),
});

const checkTarget = ({ path, container }: PlacedContainer): readonly FieldError[] =>
  container.targetContainerName === SIDECAR_CONTAINER
    ? [
        {
          path: `${path}/targetContainerName`,
          expected: 'any container but the sidecar, whoever asks',
          got: formatValue(SIDECAR_CONTAINER),
        },
      ]
    : [];
