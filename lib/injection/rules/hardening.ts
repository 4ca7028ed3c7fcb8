import { SIDECAR_GID, SIDECAR_UID } from '../../contract/names.ts';
import type { Pod, PodSecurityContext, SecurityContext } from '../../contract/pod.ts';
import { show, type Fault } from '../../reading/fault.ts';
import type { PlacedContainer } from '../containers.ts';
import { otherContainers } from '../consumers.ts';
import { pointer } from '../json-patch.ts';
import { LEVELS, levelOf, SECCOMP_TYPES, SELINUX_TYPES, type LevelTerms } from './levels.ts';
import type { Judge } from './rule.ts';

/**
 * Rule 4: no other container can gain rights or leave its confinement, nor be root unless the
 * platform gives its namespace level `baseline`.
 */
export const judgeHardening: Judge = (pod, { platform, namespace }) => {
  const terms = LEVELS[levelOf(namespace, platform.pods)];
  const others = otherContainers(pod).map((placed) => subjectOf(pod, placed));
  return [
    ...others.flatMap((subject) => DEMANDS.flatMap((demand) => demand(subject, terms))),
    ...REACHING.flatMap((demand) => demand(podItself(pod), terms)),
  ];
};

type Subject = {
  readonly path: string;
  readonly own: SecurityContext;
  readonly ofPod: PodSecurityContext;
  /** Of the annotation that was there before the field. */
  readonly appArmor: { readonly path: string; readonly value: string | undefined };
};

type Demand = (subject: Subject, terms: LevelTerms) => readonly Fault[];

const APP_ARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';

const subjectOf = (pod: Pod, { path, container }: PlacedContainer): Subject => {
  const key = `${APP_ARMOR_ANNOTATION}${container.name}`;
  return {
    path: `${path}/securityContext`,
    own: container.securityContext ?? {},
    ofPod: pod.spec?.securityContext ?? {},
    appArmor: {
      path: `/metadata/annotations${pointer(key)}`,
      value: pod.metadata?.annotations?.[key],
    },
  };
};

/** What the sidecar has of the pod, even where every other container has its own. */
const podItself = (pod: Pod): Subject => ({
  path: '/spec/securityContext',
  own: {},
  ofPod: pod.spec?.securityContext ?? {},
  appArmor: { path: '', value: undefined },
});

const when = (isBroken: boolean, fault: Fault): readonly Fault[] => (isBroken ? [fault] : []);

const unprivileged: Demand = ({ path, own }) =>
  when(own.privileged === true, {
    path: `${path}/privileged`,
    expected: 'false or nothing',
    got: 'true',
  });

const noEscalation: Demand = ({ path, own }, { mayEscalate }) =>
  when(!mayEscalate && own.allowPrivilegeEscalation !== false, {
    path: `${path}/allowPrivilegeEscalation`,
    expected: 'false',
    got: show(own.allowPrivilegeEscalation),
  });

/** A container's own value wins over the pod's, field by field. */
const notRoot: Demand = ({ path, own, ofPod }, { mayBeRoot }) => {
  if (mayBeRoot) return [];
  const user = own.runAsUser ?? ofPod.runAsUser;
  const nonRoot = own.runAsNonRoot ?? ofPod.runAsNonRoot;
  const where = own.runAsUser === undefined ? '/spec/securityContext' : path;
  if (user === 0) {
    return [{ path: `${where}/runAsUser`, expected: 'a user other than 0', got: '0' }];
  }
  return when(user === undefined && nonRoot !== true, {
    path: `${path}/runAsNonRoot`,
    expected: 'the line "runAsNonRoot: true", or a runAsUser other than 0, written out',
    got: show(nonRoot),
  });
};

const notOurIds: Demand = ({ path, own }) => [
  ...when(own.runAsUser === SIDECAR_UID, {
    path: `${path}/runAsUser`,
    expected: "any user but the sidecar's",
    got: show(own.runAsUser),
  }),
  ...when(own.runAsGroup === SIDECAR_GID, {
    path: `${path}/runAsGroup`,
    expected: "any group but the sidecar's",
    got: show(own.runAsGroup),
  }),
];

const fewCapabilities: Demand = ({ path, own }, terms) => {
  const { add, drop } = own.capabilities ?? {};
  const isDropped = (drop ?? []).some((name) => name === 'ALL' || name === terms.drop);
  return [
    ...when(!isDropped, {
      path: `${path}/capabilities/drop`,
      expected: show([terms.drop]),
      got: show(drop ?? undefined),
    }),
    ...(add ?? []).flatMap((name, index) =>
      when(!terms.addable.includes(name), {
        path: `${path}/capabilities/add/${index}`,
        expected: `${terms.addable.join(', ')} at most`,
        got: show(name),
      }),
    ),
  ];
};

const defaultProc: Demand = ({ path, own }) =>
  when(own.procMount !== undefined && own.procMount !== 'Default', {
    path: `${path}/procMount`,
    expected: 'Default or nothing',
    got: show(own.procMount),
  });

const seccomp: Demand = ({ path, own, ofPod }) => {
  const profile = own.seccompProfile ?? ofPod.seccompProfile;
  const isOfPod = own.seccompProfile === undefined && profile !== undefined;
  return when(!SECCOMP_TYPES.some((type) => type === profile?.type), {
    path: `${isOfPod ? '/spec/securityContext' : path}/seccompProfile/type`,
    expected: SECCOMP_TYPES.join(' or '),
    got: show(profile?.type),
  });
};

const appArmor: Demand = (subject) => {
  const { path, own, ofPod } = subject;
  const profile = own.appArmorProfile ?? ofPod.appArmorProfile;
  const where = own.appArmorProfile === undefined ? '/spec/securityContext' : path;
  const expected = 'any profile but Unconfined';
  return [
    ...when(profile?.type === 'Unconfined', {
      path: `${where}/appArmorProfile/type`,
      expected,
      got: show(profile?.type),
    }),
    ...when(subject.appArmor.value === 'unconfined', {
      path: subject.appArmor.path,
      expected,
      got: show(subject.appArmor.value),
    }),
  ];
};

/** A container's own options replace the pod's, member by member. */
const seLinux: Demand = ({ path, own, ofPod }) =>
  (['type', 'user', 'role'] as const).flatMap((member) => {
    const ownValue = own.seLinuxOptions?.[member];
    const value = ownValue ?? ofPod.seLinuxOptions?.[member] ?? '';
    const isConfined = member === 'type' && SELINUX_TYPES.some((type) => type === value);
    return when(value !== '' && !isConfined, {
      path: `${ownValue === undefined ? '/spec/securityContext' : path}/seLinuxOptions/${member}`,
      expected: member === 'type' ? `nothing or ${SELINUX_TYPES.join(', ')}` : 'nothing',
      got: show(value),
    });
  });

/** The sidecar says nothing of these itself. */
const REACHING: readonly Demand[] = [appArmor, seLinux];

const DEMANDS: readonly Demand[] = [
  unprivileged,
  noEscalation,
  notRoot,
  notOurIds,
  fewCapabilities,
  defaultProc,
  seccomp,
  ...REACHING,
];
