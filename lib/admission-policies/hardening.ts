import { SIDECAR_GID, SIDECAR_UID } from '../contract/names.ts';
import {
  LEVELS,
  SECCOMP_TYPES,
  SELINUX_TYPES,
  type LevelTerms,
} from '../injection/rules/levels.ts';
import {
  breachWhen,
  concat,
  describeBreach,
  joined,
  literal,
  shown,
  type Breach,
  type Cel,
} from './cel.ts';
import type { PolicySettings } from './policy.ts';

/** Rule 4 as a list of lines; the same as lib/injection/rules/hardening.ts. */
export const hardeningBreaches = ({
  baselineNamespaces,
}: Pick<PolicySettings, 'baselineNamespaces'>): Cel => {
  const [restricted, baseline] = [LEVELS.restricted, LEVELS.baseline].map(ofLevel);
  const isBaseline = `request.namespace in ${baselineNamespaces}`;
  return concat([
    ...DEMANDS.map(breachesOf),
    ...INHERITED.map(inherited),
    `(${isBaseline} ? ${baseline} : ${restricted})`,
  ]);
};

/** `k` is a container of `variables.others`. */
type Demand = { readonly isBroken: Cel } & Omit<Breach, 'rule'>;

const rule = '4';

const breachesOf = ({ isBroken, ...breach }: Demand): Cel =>
  `variables.others.filter(k, ${isBroken}).map(k, ${describeBreach({ rule, ...breach })})`;

const PATH = 'k.path + "/securityContext"';

/** A container's own value wins over the pod's, field by field. */
const either = (member: string): Cel => `k.own.?${member}.or(variables.ofPod.?${member})`;

type Inherited = {
  /** Below a security context, as `?seccompProfile.?type`. */
  readonly member: Cel;
  readonly isBroken: (optional: Cel) => Cel;
  /** The sidecar has the pod's, even where every other container has its own. */
  readonly reachesSidecar?: boolean;
  readonly breach: Pick<Breach, 'expected' | 'got'> & { readonly at: string };
};

/** A field of each container and, once for all that have none of their own, of the pod. */
/** Where nobody joins a running pod, nothing of it is new. */
const ANY = 'variables.others.size() > 0';

const inherited = ({ member, isBroken, reachesSidecar, breach }: Inherited): Cel => {
  const { at, ...words } = breach;
  const [own, ofPod] = [`k.own.${member}`, `variables.ofPod.${member}`];
  const isInherited = `variables.others.exists(k, !${own}.hasValue())`;
  return concat([
    breachesOf({
      isBroken: `(${own}.hasValue() || !${ofPod}.hasValue()) && ${isBroken(own)}`,
      path: `${PATH} + "/${at}"`,
      ...words,
    }),
    breachWhen(
      `${ofPod}.hasValue() && ${isBroken(ofPod)} && ${reachesSidecar === true ? ANY : isInherited}`,
      { rule, path: literal(`/spec/securityContext/${at}`), ...words },
    ),
  ]);
};

const orNothing = (optional: Cel, text: Cel): Cel =>
  `(${optional}.hasValue() ? ${text} : "nothing")`;

const ofLevel = ({ mayBeRoot, mayEscalate, drop, addable }: LevelTerms): Cel =>
  concat([
    ...(mayEscalate ? [] : [breachesOf(NO_ESCALATION)]),
    ...(mayBeRoot ? [] : NOT_ROOT),
    breachesOf({
      isBroken: `!k.own.?capabilities.?drop.orValue([]).exists(name, name in ${literal([...new Set(['ALL', drop])])})`,
      path: `${PATH} + "/capabilities/drop"`,
      expected: literal([drop]),
      got: orNothing('k.own.?capabilities.?drop', shown('k.own.capabilities.drop.join(", ")')),
    }),
    addedCapabilities(addable),
  ]);

const NO_ESCALATION: Demand = {
  isBroken: 'k.own.?allowPrivilegeEscalation.orValue(true)',
  path: `${PATH} + "/allowPrivilegeEscalation"`,
  expected: 'false',
  got: orNothing('k.own.?allowPrivilegeEscalation', '"true"'),
};

const NOT_ROOT: readonly Cel[] = [
  inherited({
    member: '?runAsUser',
    isBroken: (user) => `${user}.orValue(-1) == 0`,
    breach: { at: 'runAsUser', expected: 'a user other than 0', got: '"0"' },
  }),
  breachesOf({
    isBroken: `!${either('runAsUser')}.hasValue() && !${either('runAsNonRoot')}.orValue(false)`,
    path: `${PATH} + "/runAsNonRoot"`,
    expected: 'the line "runAsNonRoot: true", or a runAsUser other than 0, written out',
    got: orNothing(either('runAsNonRoot'), '"false"'),
  }),
];

const addedCapabilities = (addable: readonly string[]): Cel => {
  const added = 'k.own.?capabilities.?add.orValue([])';
  const line = describeBreach({
    rule,
    path: `${PATH} + "/capabilities/add/" + string(${added}.indexOf(name))`,
    expected: `${addable.join(', ')} at most`,
    got: shown('name'),
  });
  const lines = `${added}.filter(name, !(name in ${literal(addable)})).map(name, ${line})`;
  return `variables.others.map(k, ${joined(lines)}).filter(lines, lines != "")`;
};

const ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';
const ANNOTATED = `object.metadata.?annotations[?(${literal(ANNOTATION)} + k.it.name)].orValue("")`;
const CONFINED = 'any profile but Unconfined';

/** Of both levels. */
const DEMANDS: readonly Demand[] = [
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
    got: literal(String(SIDECAR_UID)),
  },
  {
    isBroken: `k.own.?runAsGroup.orValue(-1) == ${SIDECAR_GID}`,
    path: `${PATH} + "/runAsGroup"`,
    expected: "any group but the sidecar's",
    got: literal(String(SIDECAR_GID)),
  },
  {
    isBroken: 'k.own.?procMount.orValue("Default") != "Default"',
    path: `${PATH} + "/procMount"`,
    expected: 'Default or nothing',
    got: shown('k.own.procMount'),
  },
  {
    isBroken: `${ANNOTATED} == "unconfined"`,
    path: `${literal(`/metadata/annotations/${ANNOTATION.replace('/', '~1')}`)} + k.it.name`,
    expected: CONFINED,
    got: '"unconfined"',
  },
];

const SE_LINUX = {
  type: { confined: ['', ...SELINUX_TYPES], expected: `nothing or ${SELINUX_TYPES.join(', ')}` },
  user: { confined: [''], expected: 'nothing' },
  role: { confined: [''], expected: 'nothing' },
} as const;

/** Of both levels, and of the pod where a container has none of its own. */
const INHERITED: readonly Inherited[] = [
  {
    member: '?seccompProfile.?type',
    isBroken: (type) => `!(${type}.orValue("") in ${literal(SECCOMP_TYPES)})`,
    breach: {
      at: 'seccompProfile/type',
      expected: SECCOMP_TYPES.join(' or '),
      got: '"nothing of the kind"',
    },
  },
  {
    member: '?appArmorProfile.?type',
    isBroken: (type) => `${type}.orValue("") == "Unconfined"`,
    reachesSidecar: true,
    breach: { at: 'appArmorProfile/type', expected: CONFINED, got: '"Unconfined"' },
  },
  ...(['type', 'user', 'role'] as const).map((member) => ({
    member: `?seLinuxOptions.?${member}`,
    isBroken: (value: Cel) => `!(${value}.orValue("") in ${literal(SE_LINUX[member].confined)})`,
    reachesSidecar: true,
    breach: {
      at: `seLinuxOptions/${member}`,
      expected: SE_LINUX[member].expected,
      got: '"something else"',
    },
  })),
];
