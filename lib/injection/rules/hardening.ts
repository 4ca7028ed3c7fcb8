import { SIDECAR_CONTAINER, SIDECAR_GID, SIDECAR_UID } from '../../contract/names.ts';
import type { Pod, PodSecurityContext, SecurityContext } from '../../contract/pod.ts';
import { formatValue, type FieldError } from '../../schema/field-error.ts';
import type { PlacedContainer } from '../containers.ts';
import { listOtherContainers } from '../consumers.ts';
import { findHardeningHint } from '../helper-containers.ts';
import { toJsonPointer } from '../json-patch.ts';
import { LEVELS, getLevel, SECCOMP_TYPES, SELINUX_TYPES, type LevelOptions } from './levels.ts';
import type { RuleCheck } from './rule.ts';

/**
 * Rule 4: no other container can escalate privileges or leave its confinement, and none runs as root
 * unless the platform sets level `baseline` for its namespace.
 */
export const checkHardening: RuleCheck = (pod, { platform, namespace }) => {
  const level = LEVELS[getLevel(namespace, platform.pods)];
  const others = listOtherContainers(pod).map((placed) => toContainerSubject(pod, placed));
  return [
    ...others.flatMap((subject) =>
      SECURITY_CONTEXT_CHECKS.flatMap((check) => check(subject, level)).map((fault) =>
        subject.hint === undefined ? fault : { ...fault, hint: subject.hint },
      ),
    ),
    ...POD_LEVEL_CHECKS.flatMap((check) => check(toPodSubject(pod), level)),
  ];
};

type SecurityContextSubject = {
  readonly path: string;
  readonly own: SecurityContext;
  readonly podContext: PodSecurityContext;
  /** The annotation that preceded the field. */
  readonly appArmor: { readonly path: string; readonly value: string | undefined };
  /** Where the security context is set, if a controller adds the container. */
  readonly hint: string | undefined;
};

type SecurityContextCheck = (
  subject: SecurityContextSubject,
  level: LevelOptions,
) => readonly FieldError[];

const APP_ARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';

const toContainerSubject = (
  pod: Pod,
  { path, container }: PlacedContainer,
): SecurityContextSubject => ({
  path: `${path}/securityContext`,
  own: container.securityContext ?? {},
  podContext: pod.spec?.securityContext ?? {},
  appArmor: readAppArmorAnnotation(pod, container.name),
  hint: findHardeningHint(container),
});

const readAppArmorAnnotation = (
  pod: Pod,
  container: string,
): SecurityContextSubject['appArmor'] => {
  const key = `${APP_ARMOR_ANNOTATION}${container}`;
  return {
    path: `/metadata/annotations${toJsonPointer(key)}`,
    value: pod.metadata?.annotations?.[key],
  };
};

/**
 * The sidecar inherits these from the pod, even if every other container overrides them; and the pod may
 * annotate it. The annotations for seccomp and sysctls have no effect since Kubernetes 1.27.
 */
const toPodSubject = (pod: Pod): SecurityContextSubject => ({
  path: '/spec/securityContext',
  own: {},
  podContext: pod.spec?.securityContext ?? {},
  appArmor: readAppArmorAnnotation(pod, SIDECAR_CONTAINER),
  hint: undefined,
});

const reportWhen = (isBroken: boolean, fault: FieldError): readonly FieldError[] =>
  isBroken ? [fault] : [];

const checkPrivileged: SecurityContextCheck = ({ path, own }) =>
  reportWhen(own.privileged === true, {
    path: `${path}/privileged`,
    expected: 'false or nothing',
    got: 'true',
  });

const checkPrivilegeEscalation: SecurityContextCheck = ({ path, own }, { isEscalationAllowed }) =>
  reportWhen(!isEscalationAllowed && own.allowPrivilegeEscalation !== false, {
    path: `${path}/allowPrivilegeEscalation`,
    expected: 'false',
    got: formatValue(own.allowPrivilegeEscalation),
  });

/** A container's value overrides the pod's, field by field. */
const checkNonRoot: SecurityContextCheck = ({ path, own, podContext }, { isRootAllowed }) => {
  if (isRootAllowed) return [];
  const user = own.runAsUser ?? podContext.runAsUser;
  const nonRoot = own.runAsNonRoot ?? podContext.runAsNonRoot;
  const where = own.runAsUser === undefined ? '/spec/securityContext' : path;
  if (user === 0) {
    return [{ path: `${where}/runAsUser`, expected: 'a user other than 0', got: '0' }];
  }
  return reportWhen(user === undefined && nonRoot !== true, {
    path: `${path}/runAsNonRoot`,
    expected: '"runAsNonRoot: true", or a runAsUser other than 0, set explicitly',
    got: formatValue(nonRoot),
  });
};

const checkSidecarIds: SecurityContextCheck = ({ path, own }) => [
  ...reportWhen(own.runAsUser === SIDECAR_UID, {
    path: `${path}/runAsUser`,
    expected: "any user but the sidecar's",
    got: formatValue(own.runAsUser),
  }),
  ...reportWhen(own.runAsGroup === SIDECAR_GID, {
    path: `${path}/runAsGroup`,
    expected: "any group but the sidecar's",
    got: formatValue(own.runAsGroup),
  }),
];

const checkCapabilities: SecurityContextCheck = ({ path, own }, level) => {
  const { add, drop } = own.capabilities ?? {};
  const isDropped = (drop ?? []).some((name) => name === 'ALL' || name === level.drop);
  return [
    ...reportWhen(!isDropped, {
      path: `${path}/capabilities/drop`,
      expected: formatValue([level.drop]),
      got: formatValue(drop ?? undefined),
    }),
    ...(add ?? []).flatMap((name, index) =>
      reportWhen(!level.addable.includes(name), {
        path: `${path}/capabilities/add/${index}`,
        expected: `${level.addable.join(', ')} at most`,
        got: formatValue(name),
      }),
    ),
  ];
};

const checkProcMount: SecurityContextCheck = ({ path, own }) =>
  reportWhen(own.procMount !== undefined && own.procMount !== 'Default', {
    path: `${path}/procMount`,
    expected: 'Default or nothing',
    got: formatValue(own.procMount),
  });

const checkSeccomp: SecurityContextCheck = ({ path, own, podContext }) => {
  const profile = own.seccompProfile ?? podContext.seccompProfile;
  const isInherited = own.seccompProfile === undefined && profile !== undefined;
  return reportWhen(!SECCOMP_TYPES.some((type) => type === profile?.type), {
    path: `${isInherited ? '/spec/securityContext' : path}/seccompProfile/type`,
    expected: SECCOMP_TYPES.join(' or '),
    got: formatValue(profile?.type),
  });
};

const checkAppArmor: SecurityContextCheck = (subject) => {
  const { path, own, podContext } = subject;
  const profile = own.appArmorProfile ?? podContext.appArmorProfile;
  const where = own.appArmorProfile === undefined ? '/spec/securityContext' : path;
  const expected = 'any profile but Unconfined';
  return [
    ...reportWhen(profile?.type === 'Unconfined', {
      path: `${where}/appArmorProfile/type`,
      expected,
      got: formatValue(profile?.type),
    }),
    ...reportWhen(subject.appArmor.value === 'unconfined', {
      path: subject.appArmor.path,
      expected,
      got: formatValue(subject.appArmor.value),
    }),
  ];
};

/** A container's options override the pod's, field by field. */
const checkSeLinux: SecurityContextCheck = ({ path, own, podContext }) =>
  (['type', 'user', 'role'] as const).flatMap((member) => {
    const ownValue = own.seLinuxOptions?.[member];
    const value = ownValue ?? podContext.seLinuxOptions?.[member] ?? '';
    const isConfined = member === 'type' && SELINUX_TYPES.some((type) => type === value);
    return reportWhen(value !== '' && !isConfined, {
      path: `${ownValue === undefined ? '/spec/securityContext' : path}/seLinuxOptions/${member}`,
      expected: member === 'type' ? `nothing or ${SELINUX_TYPES.join(', ')}` : 'nothing',
      got: formatValue(value),
    });
  });

/** The sidecar does not set these itself. */
const POD_LEVEL_CHECKS: readonly SecurityContextCheck[] = [checkAppArmor, checkSeLinux];

const SECURITY_CONTEXT_CHECKS: readonly SecurityContextCheck[] = [
  checkPrivileged,
  checkPrivilegeEscalation,
  checkNonRoot,
  checkSidecarIds,
  checkCapabilities,
  checkProcMount,
  checkSeccomp,
  ...POD_LEVEL_CHECKS,
];
