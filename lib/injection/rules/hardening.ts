import { SIDECAR_GID, SIDECAR_UID } from '../../contract/names.ts';
import type { Pod, PodSecurityContext, SecurityContext } from '../../contract/pod.ts';
import { formatValue, type FieldError } from '../../schema/field-error.ts';
import type { PlacedContainer } from '../containers.ts';
import { listOtherContainers } from '../consumers.ts';
import { toJsonPointer } from '../json-patch.ts';
import { LEVELS, getLevel, SECCOMP_TYPES, SELINUX_TYPES, type LevelOptions } from './levels.ts';
import type { RuleCheck } from './rule.ts';

/**
 * Rule 4: no other container can gain rights or leave its confinement, nor be root unless the
 * platform gives its namespace level `baseline`.
 */
export const checkHardening: RuleCheck = (pod, { platform, namespace }) => {
  const terms = LEVELS[getLevel(namespace, platform.pods)];
  const others = listOtherContainers(pod).map((placed) => toContainerSubject(pod, placed));
  return [
    ...others.flatMap((subject) =>
      SECURITY_CONTEXT_CHECKS.flatMap((demand) => demand(subject, terms)),
    ),
    ...POD_LEVEL_CHECKS.flatMap((demand) => demand(toPodSubject(pod), terms)),
  ];
};

type SecurityContextSubject = {
  readonly path: string;
  readonly own: SecurityContext;
  readonly ofPod: PodSecurityContext;
  /** Of the annotation that was there before the field. */
  readonly appArmor: { readonly path: string; readonly value: string | undefined };
};

type SecurityContextCheck = (
  subject: SecurityContextSubject,
  terms: LevelOptions,
) => readonly FieldError[];

const APP_ARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';

const toContainerSubject = (
  pod: Pod,
  { path, container }: PlacedContainer,
): SecurityContextSubject => {
  const key = `${APP_ARMOR_ANNOTATION}${container.name}`;
  return {
    path: `${path}/securityContext`,
    own: container.securityContext ?? {},
    ofPod: pod.spec?.securityContext ?? {},
    appArmor: {
      path: `/metadata/annotations${toJsonPointer(key)}`,
      value: pod.metadata?.annotations?.[key],
    },
  };
};

/** What the sidecar has of the pod, even where every other container has its own. */
const toPodSubject = (pod: Pod): SecurityContextSubject => ({
  path: '/spec/securityContext',
  own: {},
  ofPod: pod.spec?.securityContext ?? {},
  appArmor: { path: '', value: undefined },
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

/** A container's own value wins over the pod's, field by field. */
const checkNonRoot: SecurityContextCheck = ({ path, own, ofPod }, { isRootAllowed }) => {
  if (isRootAllowed) return [];
  const user = own.runAsUser ?? ofPod.runAsUser;
  const nonRoot = own.runAsNonRoot ?? ofPod.runAsNonRoot;
  const where = own.runAsUser === undefined ? '/spec/securityContext' : path;
  if (user === 0) {
    return [{ path: `${where}/runAsUser`, expected: 'a user other than 0', got: '0' }];
  }
  return reportWhen(user === undefined && nonRoot !== true, {
    path: `${path}/runAsNonRoot`,
    expected: 'the line "runAsNonRoot: true", or a runAsUser other than 0, written out',
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

const checkCapabilities: SecurityContextCheck = ({ path, own }, terms) => {
  const { add, drop } = own.capabilities ?? {};
  const isDropped = (drop ?? []).some((name) => name === 'ALL' || name === terms.drop);
  return [
    ...reportWhen(!isDropped, {
      path: `${path}/capabilities/drop`,
      expected: formatValue([terms.drop]),
      got: formatValue(drop ?? undefined),
    }),
    ...(add ?? []).flatMap((name, index) =>
      reportWhen(!terms.addable.includes(name), {
        path: `${path}/capabilities/add/${index}`,
        expected: `${terms.addable.join(', ')} at most`,
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

const checkSeccomp: SecurityContextCheck = ({ path, own, ofPod }) => {
  const profile = own.seccompProfile ?? ofPod.seccompProfile;
  const isOfPod = own.seccompProfile === undefined && profile !== undefined;
  return reportWhen(!SECCOMP_TYPES.some((type) => type === profile?.type), {
    path: `${isOfPod ? '/spec/securityContext' : path}/seccompProfile/type`,
    expected: SECCOMP_TYPES.join(' or '),
    got: formatValue(profile?.type),
  });
};

const checkAppArmor: SecurityContextCheck = (subject) => {
  const { path, own, ofPod } = subject;
  const profile = own.appArmorProfile ?? ofPod.appArmorProfile;
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

/** A container's own options replace the pod's, member by member. */
const checkSeLinux: SecurityContextCheck = ({ path, own, ofPod }) =>
  (['type', 'user', 'role'] as const).flatMap((member) => {
    const ownValue = own.seLinuxOptions?.[member];
    const value = ownValue ?? ofPod.seLinuxOptions?.[member] ?? '';
    const isConfined = member === 'type' && SELINUX_TYPES.some((type) => type === value);
    return reportWhen(value !== '' && !isConfined, {
      path: `${ownValue === undefined ? '/spec/securityContext' : path}/seLinuxOptions/${member}`,
      expected: member === 'type' ? `nothing or ${SELINUX_TYPES.join(', ')}` : 'nothing',
      got: formatValue(value),
    });
  });

/** The sidecar says nothing of these itself. */
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
