import type { PodSecurityContext, Pod, SecurityContext } from '../contract/pod.ts';
import type { PlacedContainer } from './containers.ts';
import { otherContainers } from './consumers.ts';
import { LEVELS, type Level, type LevelTerms } from './rules/levels.ts';

/** Safe values for what a container's author left open. */
export type Fill = {
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
export const fillsFor = (pod: Pod, level: Level = 'restricted'): readonly Fill[] =>
  otherContainers(pod)
    .filter(({ list }) => list !== 'ephemeralContainers')
    .map((at) => ({
      at,
      values: valuesFor(LEVELS[level], at.container.securityContext, pod.spec?.securityContext),
    }))
    .filter(({ values }) => Object.keys(values).length > 0);

/** One line for the author: what was filled and where. */
export const describeFill = ({ at, values }: Fill): string => {
  const written = [
    values.allowPrivilegeEscalation === false ? ['allowPrivilegeEscalation: false'] : [],
    values.capabilities
      ? [`capabilities: {drop: [${values.capabilities.drop?.join() ?? ''}]}`]
      : [],
    values.seccompProfile ? ['seccompProfile: {type: RuntimeDefault}'] : [],
  ].flat();
  return `container ${at.container.name}: securityContext was filled with ${written.join(', ')}`;
};

const valuesFor = (
  { mayEscalate, drop }: LevelTerms,
  own: SecurityContext = {},
  ofPod: PodSecurityContext = {},
): Fill['values'] => ({
  ...(own.allowPrivilegeEscalation === undefined &&
    !mayEscalate &&
    !needsEscalation(own) && { allowPrivilegeEscalation: false }),
  ...(isEmpty(own.capabilities) && { capabilities: { drop: [drop] } }),
  ...(own.seccompProfile === undefined &&
    ofPod.seccompProfile === undefined && { seccompProfile: { type: 'RuntimeDefault' } }),
});

/** With these the API server refuses `false` in words of its own, before rule 4 can say what is wrong. */
const needsEscalation = ({ privileged, capabilities }: SecurityContext): boolean =>
  privileged === true || (capabilities?.add ?? []).some((name) => /^(CAP_)?SYS_ADMIN$/.test(name));

const isEmpty = (capabilities: SecurityContext['capabilities']): boolean =>
  (capabilities?.add ?? []).length + (capabilities?.drop ?? []).length === 0;
