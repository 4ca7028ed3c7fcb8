import { SIDECAR_GID, SIDECAR_UID } from '../../contract/names.ts';
import type { Pod, PodSecurityContext, SecurityContext } from '../../contract/pod.ts';
import { show, type Fault } from '../../reading/fault.ts';
import type { PlacedContainer } from '../containers.ts';
import { otherContainers } from '../consumers.ts';
import { pointer } from '../json-patch.ts';
import type { Judge } from './rule.ts';

/**
 * Rule 4 at level `restricted`: no other container can become root, gain rights or leave its
 * confinement. Level `baseline`, which only the platform can give a namespace, will be a second
 * list of demands beside {@link RESTRICTED}.
 */
export const judgeHardening: Judge = (pod) =>
  otherContainers(pod).flatMap((placed) => {
    const subject = subjectOf(pod, placed);
    return RESTRICTED.flatMap((demand) => demand(subject));
  });

type Subject = {
  readonly path: string;
  readonly own: SecurityContext;
  readonly ofPod: PodSecurityContext;
  /** Of the annotation that was there before the field. */
  readonly appArmor: { readonly path: string; readonly value: string | undefined };
};

type Demand = (subject: Subject) => readonly Fault[];

const APP_ARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';
const ADDABLE = ['NET_BIND_SERVICE'];
const SECCOMP = ['RuntimeDefault', 'Localhost'];

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

const when = (isBroken: boolean, fault: Fault): readonly Fault[] => (isBroken ? [fault] : []);

const unprivileged: Demand = ({ path, own }) =>
  when(own.privileged === true, {
    path: `${path}/privileged`,
    expected: 'false or nothing',
    got: 'true',
  });

const noEscalation: Demand = ({ path, own }) =>
  when(own.allowPrivilegeEscalation !== false, {
    path: `${path}/allowPrivilegeEscalation`,
    expected: 'false',
    got: show(own.allowPrivilegeEscalation),
  });

/** A container's own value wins over the pod's, field by field. */
const notRoot: Demand = ({ path, own, ofPod }) => {
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

const noCapabilities: Demand = ({ path, own }) => {
  const { add, drop } = own.capabilities ?? {};
  return [
    ...when(!(drop ?? []).includes('ALL'), {
      path: `${path}/capabilities/drop`,
      expected: '["ALL"]',
      got: show(drop ?? undefined),
    }),
    ...(add ?? []).flatMap((name, index) =>
      when(!ADDABLE.includes(name), {
        path: `${path}/capabilities/add/${index}`,
        expected: `${ADDABLE.join(', ')} at most`,
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
  return when(!SECCOMP.includes(profile?.type ?? ''), {
    path: `${isOfPod ? '/spec/securityContext' : path}/seccompProfile/type`,
    expected: SECCOMP.join(' or '),
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

const RESTRICTED: readonly Demand[] = [
  unprivileged,
  noEscalation,
  notRoot,
  notOurIds,
  noCapabilities,
  defaultProc,
  seccomp,
  appArmor,
];
