import { SIDECAR_CONTAINER } from '../../contract/names.ts';
import type { Pod } from '../../contract/pod.ts';
import { formatValue, type FieldError } from '../../schema/field-error.ts';
import { listContainers, type PlacedContainer } from '../containers.ts';
import type { RuleCheck, RuleContext } from './rule.ts';

/**
 * Rule 9: only the break-glass group adds ephemeral containers to an injected pod, and none of them
 * may target the sidecar. On UPDATE only added ones are violations: a pod that has one must still be
 * able to remove its finalizers.
 */
export const checkEphemeralContainers: RuleCheck = (pod, context) => {
  const isAllowed = isBreakGlass(context);
  return listAddedEphemeralContainers(pod, context.oldPod).flatMap((placed) => [
    ...(isAllowed ? [] : [buildAddedContainerError(placed)]),
    ...checkTarget(placed),
  ]);
};

/** Ephemeral containers that the old pod does not have. */
export const listAddedEphemeralContainers = (
  pod: Pod,
  oldPod: Pod | undefined,
): readonly PlacedContainer[] => {
  const before = new Set((oldPod?.spec?.ephemeralContainers ?? []).map(({ name }) => name));
  return listContainers(pod).filter(
    ({ list, container }) => list === 'ephemeralContainers' && !before.has(container.name),
  );
};

/** Whether the user is in the break-glass group. A running pod has no user. */
export const isBreakGlass = ({ phase, platform, groups }: RuleContext): boolean => {
  const { breakGlassGroup } = platform.pods;
  return (
    phase === 'UPDATE' && breakGlassGroup !== undefined && (groups ?? []).includes(breakGlassGroup)
  );
};

/** Whether the violation is a container that would see the processes of the sidecar. */
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
          expected: 'any container but the sidecar, for every user',
          got: formatValue(SIDECAR_CONTAINER),
        },
      ]
    : [];
