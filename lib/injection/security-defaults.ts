import type { PodSecurityContext, Pod, SecurityContext } from '../contract/pod.ts';
import type { PlacedContainer } from './containers.ts';
import { listOtherContainers } from './consumers.ts';
import { LEVELS, type Level, type LevelOptions } from './rules/levels.ts';

/** Safe values for what a container's author left open. */
export type SecurityDefaults = {
  readonly at: PlacedContainer;
  readonly values: Pick<
    SecurityContext,
    'allowPrivilegeEscalation' | 'capabilities' | 'seccompProfile'
  >;
};

/**
 * Rule 4's fills: of every container but the sidecar, unset `allowPrivilegeEscalation`,
 * `capabilities` and `seccompProfile`, as far as the level asks for them. Nothing else: a filled
 * `runAsNonRoot` strands pods on the node. Explicit violations stay, for the rule to refuse.
 */
export const buildSecurityDefaults = (
  pod: Pod,
  level: Level = 'restricted',
): readonly SecurityDefaults[] =>
  listOtherContainers(pod)
    .filter(({ list }) => list !== 'ephemeralContainers')
    .map((at) => ({
      at,
      values: buildDefaultValues(
        LEVELS[level],
        at.container.securityContext,
        pod.spec?.securityContext,
      ),
    }))
    .filter(({ values }) => Object.keys(values).length > 0);

/** One line for the author: what was filled and where. */
export const formatSecurityDefaults = ({ at, values }: SecurityDefaults): string => {
  const written = [
    values.allowPrivilegeEscalation === false ? ['allowPrivilegeEscalation: false'] : [],
    values.capabilities
      ? [`capabilities: {drop: [${values.capabilities.drop?.join() ?? ''}]}`]
      : [],
    values.seccompProfile ? ['seccompProfile: {type: RuntimeDefault}'] : [],
  ].flat();
  return `container ${at.container.name}: securityContext was filled with ${written.join(', ')}`;
};

const buildDefaultValues = (
  { isEscalationAllowed, drop }: LevelOptions,
  own: SecurityContext = {},
  ofPod: PodSecurityContext = {},
): SecurityDefaults['values'] => ({
  ...(own.allowPrivilegeEscalation === undefined &&
    !isEscalationAllowed &&
    !requiresEscalation(own) && { allowPrivilegeEscalation: false }),
  ...(isEmpty(own.capabilities) && { capabilities: { drop: [drop] } }),
  ...(own.seccompProfile === undefined &&
    ofPod.seccompProfile === undefined && { seccompProfile: { type: 'RuntimeDefault' } }),
});

/** With these the API server refuses `false` in words of its own, before rule 4 can say what is wrong. */
const requiresEscalation = ({ privileged, capabilities }: SecurityContext): boolean =>
  privileged === true || (capabilities?.add ?? []).some((name) => /^(CAP_)?SYS_ADMIN$/.test(name));

const isEmpty = (capabilities: SecurityContext['capabilities']): boolean =>
  (capabilities?.add ?? []).length + (capabilities?.drop ?? []).length === 0;
