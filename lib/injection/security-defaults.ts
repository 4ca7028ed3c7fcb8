import type { Container, PodSecurityContext, Pod, SecurityContext } from '../contract/pod.ts';
import type { PlacedContainer } from './containers.ts';
import { listOtherContainers } from './consumers.ts';
import { LEVELS, type Level, type LevelOptions } from './rules/levels.ts';

/** Safe values for fields that a container does not set. */
export type SecurityDefaults = {
  readonly at: PlacedContainer;
  readonly values: Pick<
    SecurityContext,
    'allowPrivilegeEscalation' | 'capabilities' | 'seccompProfile'
  >;
};

/**
 * Builds the defaults of rule 4 for every container except the sidecar: unset
 * `allowPrivilegeEscalation`, `capabilities` and `seccompProfile`, as far as the level requires them.
 * `runAsNonRoot` is not set, because images that run as root would fail to start. Explicit violations
 * remain, and the rule refuses them.
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

/** The pod as it is once these defaults are set. */
export const applySecurityDefaults = (pod: Pod, defaults: readonly SecurityDefaults[]): Pod => {
  const apply = (container: Container): Container => {
    const found = defaults.find(({ at }) => at.container === container);
    return found === undefined
      ? container
      : { ...container, securityContext: { ...container.securityContext, ...found.values } };
  };
  const { initContainers, containers } = pod.spec ?? {};
  return {
    ...pod,
    spec: {
      ...pod.spec,
      ...(initContainers && { initContainers: initContainers.map(apply) }),
      ...(containers && { containers: containers.map(apply) }),
    },
  };
};

/** One line for the author: what was set, and where. */
export const formatSecurityDefaults = ({ at, values }: SecurityDefaults): string => {
  const written = [
    values.allowPrivilegeEscalation === false ? ['allowPrivilegeEscalation: false'] : [],
    values.capabilities
      ? [`capabilities: {drop: [${values.capabilities.drop?.join() ?? ''}]}`]
      : [],
    values.seccompProfile ? ['seccompProfile: {type: RuntimeDefault}'] : [],
  ].flat();
  return `container ${at.container.name}: securityContext defaults were set: ${written.join(', ')}`;
};

const buildDefaultValues = (
  { isEscalationAllowed, drop }: LevelOptions,
  own: SecurityContext = {},
  podContext: PodSecurityContext = {},
): SecurityDefaults['values'] => ({
  ...(own.allowPrivilegeEscalation === undefined &&
    !isEscalationAllowed &&
    !requiresEscalation(own) && { allowPrivilegeEscalation: false }),
  ...(isEmpty(own.capabilities) && { capabilities: { drop: [drop] } }),
  ...(own.seccompProfile === undefined &&
    podContext.seccompProfile === undefined && { seccompProfile: { type: 'RuntimeDefault' } }),
});

/** With these the API server rejects `false` with its own message, before rule 4 can explain. */
const requiresEscalation = ({ privileged, capabilities }: SecurityContext): boolean =>
  privileged === true || (capabilities?.add ?? []).some((name) => /^(CAP_)?SYS_ADMIN$/.test(name));

const isEmpty = (capabilities: SecurityContext['capabilities']): boolean =>
  (capabilities?.add ?? []).length + (capabilities?.drop ?? []).length === 0;
