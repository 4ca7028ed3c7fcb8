import { SIDECAR_GID, SIDECAR_UID } from '../contract/names.ts';
import { concat, describeBreach, literal, shown, type Breach, type Cel } from './cel.ts';

/** Rule 4 as a list of lines; the same as lib/injection/rules/hardening.ts. */
export const hardeningBreaches = (): Cel => concat(RESTRICTED.map(breachesOf));

/** `k` is a container of `variables.others`. */
type Demand = { readonly isBroken: Cel } & Omit<Breach, 'rule'>;

const breachesOf = ({ isBroken, ...breach }: Demand): Cel =>
  `variables.others.filter(k, ${isBroken}).map(k, ${describeBreach({ rule: '4', ...breach })})`;

const OWN_PATH = 'k.path + "/securityContext"';

/** A container's own value wins over the pod's, field by field. */
const either = (member: string): Cel => `k.own.?${member}.or(variables.ofPod.?${member})`;
const pathOfEither = (member: string): Cel =>
  `(k.own.?${member}.hasValue() ? ${OWN_PATH} : "/spec/securityContext")`;

const USER = either('runAsUser');
const SECCOMP = `${either('seccompProfile')}.?type.orValue("")`;
const APP_ARMOR = `${either('appArmorProfile')}.?type.orValue("")`;
const ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';
const ANNOTATED = `object.metadata.?annotations[?(${literal(ANNOTATION)} + k.it.name)].orValue("")`;

const orNothing = (optional: Cel, text: Cel): Cel =>
  `(${optional}.hasValue() ? ${text} : "nothing")`;

const RESTRICTED: readonly Demand[] = [
  {
    isBroken: `k.own.?privileged.orValue(false)`,
    path: `${OWN_PATH} + "/privileged"`,
    expected: 'false or nothing',
    got: '"true"',
  },
  {
    isBroken: `k.own.?allowPrivilegeEscalation.orValue(true)`,
    path: `${OWN_PATH} + "/allowPrivilegeEscalation"`,
    expected: 'false',
    got: orNothing(`k.own.?allowPrivilegeEscalation`, '"true"'),
  },
  {
    isBroken: `${USER}.orValue(-1) == 0`,
    path: `${pathOfEither('runAsUser')} + "/runAsUser"`,
    expected: 'a user other than 0',
    got: '"0"',
  },
  {
    isBroken: `!${USER}.hasValue() && !${either('runAsNonRoot')}.orValue(false)`,
    path: `${OWN_PATH} + "/runAsNonRoot"`,
    expected: 'the line "runAsNonRoot: true", or a runAsUser other than 0, written out',
    got: orNothing(either('runAsNonRoot'), '"false"'),
  },
  {
    isBroken: `k.own.?runAsUser.orValue(-1) == ${SIDECAR_UID}`,
    path: `${OWN_PATH} + "/runAsUser"`,
    expected: "any user but the sidecar's",
    got: literal(String(SIDECAR_UID)),
  },
  {
    isBroken: `k.own.?runAsGroup.orValue(-1) == ${SIDECAR_GID}`,
    path: `${OWN_PATH} + "/runAsGroup"`,
    expected: "any group but the sidecar's",
    got: literal(String(SIDECAR_GID)),
  },
  {
    isBroken: `!("ALL" in k.own.?capabilities.?drop.orValue([]))`,
    path: `${OWN_PATH} + "/capabilities/drop"`,
    expected: '["ALL"]',
    got: orNothing(`k.own.?capabilities.?drop`, shown(`k.own.capabilities.drop.join(", ")`)),
  },
  {
    isBroken: `k.own.?procMount.orValue("Default") != "Default"`,
    path: `${OWN_PATH} + "/procMount"`,
    expected: 'Default or nothing',
    got: shown('k.own.procMount'),
  },
  {
    isBroken: `!(${SECCOMP} in ["RuntimeDefault", "Localhost"])`,
    path: `(!k.own.?seccompProfile.hasValue() && variables.ofPod.?seccompProfile.hasValue() ? "/spec/securityContext" : ${OWN_PATH}) + "/seccompProfile/type"`,
    expected: 'RuntimeDefault or Localhost',
    got: `(${SECCOMP} == "" ? "nothing" : ${SECCOMP})`,
  },
  {
    isBroken: `${APP_ARMOR} == "Unconfined"`,
    path: `${pathOfEither('appArmorProfile')} + "/appArmorProfile/type"`,
    expected: 'any profile but Unconfined',
    got: '"Unconfined"',
  },
  {
    isBroken: `${ANNOTATED} == "unconfined"`,
    path: `${literal(`/metadata/annotations/${ANNOTATION.replace('/', '~1')}`)} + k.it.name`,
    expected: 'any profile but Unconfined',
    got: '"unconfined"',
  },
];
