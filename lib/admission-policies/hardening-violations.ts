import { SIDECAR_CONTAINER, SIDECAR_GID, SIDECAR_UID } from '../contract/names.ts';
import {
  LEVELS,
  SECCOMP_TYPES,
  SELINUX_TYPES,
  type LevelOptions,
} from '../injection/rules/levels.ts';
import {
  buildViolationWhen,
  concatLists,
  formatViolation,
  joinLines,
  toCelLiteral,
  quoteText,
  type Violation,
  type Cel,
} from './cel.ts';
import type { AdmissionPolicySettings } from './validating-admission-policy.ts';

/** Rule 4 as a list of lines; the same as lib/injection/rules/hardening.ts. */
export const buildHardeningViolations = ({
  baselineNamespaces,
}: Pick<AdmissionPolicySettings, 'baselineNamespaces'>): Cel => {
  const [restricted, baseline] = [LEVELS.restricted, LEVELS.baseline].map(buildLevelViolations);
  const isBaseline = `request.namespace in ${baselineNamespaces}`;
  return concatLists([
    ...HARDENING_CHECKS.map(buildViolations),
    ...INHERITED_CHECKS.map(buildInheritedViolations),
    sidecarAppArmor,
    `(${isBaseline} ? ${baseline} : ${restricted})`,
  ]);
};

/** `k` is a container of `variables.others`. */
type HardeningCheck = { readonly isBroken: Cel } & Omit<Violation, 'rule'>;

const rule = '4';

const buildViolations = ({ isBroken, ...breach }: HardeningCheck): Cel =>
  `variables.others.filter(k, ${isBroken}).map(k, ${formatViolation({ rule, ...breach })})`;

const PATH = 'k.path + "/securityContext"';

/** A container's own value wins over the pod's, field by field. */
const buildEffectiveField = (member: string): Cel =>
  `k.own.?${member}.or(variables.ofPod.?${member})`;

type InheritedCheck = {
  /** Below a security context, as `?seccompProfile.?type`. */
  readonly member: Cel;
  readonly isBroken: (optional: Cel) => Cel;
  /** The sidecar has the pod's, even where every other container has its own. */
  readonly isSidecarAffected?: boolean;
  readonly violation: Pick<Violation, 'expected' | 'got'> & { readonly at: string };
};

/** A field of each container and, once for all that have none of their own, of the pod. */
/** Where nobody joins a running pod, nothing of it is new. */
const HAS_OTHER_CONTAINERS = 'variables.others.size() > 0';

const buildInheritedViolations = ({
  member,
  isBroken,
  isSidecarAffected,
  violation,
}: InheritedCheck): Cel => {
  const { at, ...words } = violation;
  const [own, ofPod] = [`k.own.${member}`, `variables.ofPod.${member}`];
  const isInherited = `variables.others.exists(k, !${own}.hasValue())`;
  return concatLists([
    buildViolations({
      isBroken: `(${own}.hasValue() || !${ofPod}.hasValue()) && ${isBroken(own)}`,
      path: `${PATH} + "/${at}"`,
      ...words,
    }),
    buildViolationWhen(
      `${ofPod}.hasValue() && ${isBroken(ofPod)} && ${isSidecarAffected === true ? HAS_OTHER_CONTAINERS : isInherited}`,
      { rule, path: toCelLiteral(`/spec/securityContext/${at}`), ...words },
    ),
  ]);
};

const buildValueOrNothing = (optional: Cel, text: Cel): Cel =>
  `(${optional}.hasValue() ? ${text} : "nothing")`;

const buildLevelViolations = ({
  isRootAllowed,
  isEscalationAllowed,
  drop,
  addable,
}: LevelOptions): Cel =>
  concatLists([
    ...(isEscalationAllowed ? [] : [buildViolations(NO_ESCALATION)]),
    ...(isRootAllowed ? [] : NOT_ROOT),
    buildViolations({
      isBroken: `!k.own.?capabilities.?drop.orValue([]).exists(name, name in ${toCelLiteral([...new Set(['ALL', drop])])})`,
      path: `${PATH} + "/capabilities/drop"`,
      expected: toCelLiteral([drop]),
      got: buildValueOrNothing(
        'k.own.?capabilities.?drop',
        quoteText('k.own.capabilities.drop.join(", ")'),
      ),
    }),
    buildCapabilityViolations(addable),
  ]);

const NO_ESCALATION: HardeningCheck = {
  isBroken: 'k.own.?allowPrivilegeEscalation.orValue(true)',
  path: `${PATH} + "/allowPrivilegeEscalation"`,
  expected: 'false',
  got: buildValueOrNothing('k.own.?allowPrivilegeEscalation', '"true"'),
};

const NOT_ROOT: readonly Cel[] = [
  buildInheritedViolations({
    member: '?runAsUser',
    isBroken: (user) => `${user}.orValue(-1) == 0`,
    violation: { at: 'runAsUser', expected: 'a user other than 0', got: '"0"' },
  }),
  buildViolations({
    isBroken: `!${buildEffectiveField('runAsUser')}.hasValue() && !${buildEffectiveField('runAsNonRoot')}.orValue(false)`,
    path: `${PATH} + "/runAsNonRoot"`,
    expected: 'the line "runAsNonRoot: true", or a runAsUser other than 0, written out',
    got: buildValueOrNothing(buildEffectiveField('runAsNonRoot'), '"false"'),
  }),
];

const buildCapabilityViolations = (addable: readonly string[]): Cel => {
  const added = 'k.own.?capabilities.?add.orValue([])';
  const line = formatViolation({
    rule,
    path: `${PATH} + "/capabilities/add/" + string(${added}.indexOf(name))`,
    expected: `${addable.join(', ')} at most`,
    got: quoteText('name'),
  });
  const lines = `${added}.filter(name, !(name in ${toCelLiteral(addable)})).map(name, ${line})`;
  return `variables.others.map(k, ${joinLines(lines)}).filter(lines, lines != "")`;
};

const APP_ARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';
const APP_ARMOR_VALUE = `object.metadata.?annotations[?(${toCelLiteral(APP_ARMOR_ANNOTATION)} + k.it.name)].orValue("")`;
const EXPECTED_CONFINED = 'any profile but Unconfined';

/** Of both levels. */
const HARDENING_CHECKS: readonly HardeningCheck[] = [
  {
    isBroken: 'k.own.?privileged.orValue(false)',
    path: `${PATH} + "/privileged"`,
    expected: 'false or nothing',
    got: '"true"',
  },
  {
    isBroken: `k.own.?runAsUser.orValue(-1) == ${SIDECAR_UID}`,
    path: `${PATH} + "/runAsUser"`,
    expected: "any user but the sidecar's",
    got: toCelLiteral(String(SIDECAR_UID)),
  },
  {
    isBroken: `k.own.?runAsGroup.orValue(-1) == ${SIDECAR_GID}`,
    path: `${PATH} + "/runAsGroup"`,
    expected: "any group but the sidecar's",
    got: toCelLiteral(String(SIDECAR_GID)),
  },
  {
    isBroken: 'k.own.?procMount.orValue("Default") != "Default"',
    path: `${PATH} + "/procMount"`,
    expected: 'Default or nothing',
    got: quoteText('k.own.procMount'),
  },
  {
    isBroken: `${APP_ARMOR_VALUE} == "unconfined"`,
    path: `${toCelLiteral(`/metadata/annotations/${APP_ARMOR_ANNOTATION.replace('/', '~1')}`)} + k.it.name`,
    expected: EXPECTED_CONFINED,
    got: '"unconfined"',
  },
];

const SIDECAR_APP_ARMOR_KEY = `${APP_ARMOR_ANNOTATION}${SIDECAR_CONTAINER}`;

/** The sidecar may be annotated too. */
const sidecarAppArmor = buildViolationWhen(
  `${HAS_OTHER_CONTAINERS} && object.metadata.?annotations[?${toCelLiteral(SIDECAR_APP_ARMOR_KEY)}].orValue("") == "unconfined"`,
  {
    rule,
    path: toCelLiteral(`/metadata/annotations/${SIDECAR_APP_ARMOR_KEY.replace('/', '~1')}`),
    expected: EXPECTED_CONFINED,
    got: '"unconfined"',
  },
);

const SE_LINUX = {
  type: { confined: ['', ...SELINUX_TYPES], expected: `nothing or ${SELINUX_TYPES.join(', ')}` },
  user: { confined: [''], expected: 'nothing' },
  role: { confined: [''], expected: 'nothing' },
} as const;

/** Of both levels, and of the pod where a container has none of its own. */
const INHERITED_CHECKS: readonly InheritedCheck[] = [
  {
    member: '?seccompProfile.?type',
    isBroken: (type) => `!(${type}.orValue("") in ${toCelLiteral(SECCOMP_TYPES)})`,
    violation: {
      at: 'seccompProfile/type',
      expected: SECCOMP_TYPES.join(' or '),
      got: '"nothing of the kind"',
    },
  },
  {
    member: '?appArmorProfile.?type',
    isBroken: (type) => `${type}.orValue("") == "Unconfined"`,
    isSidecarAffected: true,
    violation: { at: 'appArmorProfile/type', expected: EXPECTED_CONFINED, got: '"Unconfined"' },
  },
  ...(['type', 'user', 'role'] as const).map((member) => ({
    member: `?seLinuxOptions.?${member}`,
    isBroken: (value: Cel) =>
      `!(${value}.orValue("") in ${toCelLiteral(SE_LINUX[member].confined)})`,
    isSidecarAffected: true,
    violation: {
      at: `seLinuxOptions/${member}`,
      expected: SE_LINUX[member].expected,
      got: '"something else"',
    },
  })),
];
