import { VOLUME_PREFIX } from '../contract/names.ts';
import { CONSUMER_MOUNT_PATH } from '../contract/paths.ts';
import {
  concatLists,
  formatViolation,
  joinLines,
  toCelLiteral,
  quoteText,
  type Violation,
  type Cel,
} from './cel.ts';

const PREFIX = toCelLiteral(VOLUME_PREFIX);

type List = 'volumeMounts' | 'volumeDevices' | 'env';

/** By which member the API server keeps a list's elements apart. */
const KEYS = { volumeMounts: 'mountPath', volumeDevices: 'devicePath', env: 'name' } as const;

const buildList = (list: List): Cel => `k.it.?${list}.orValue([])`;

const buildElementPath = (list: List): Cel =>
  `k.path + "/${list}/" + string(${buildList(list)}.map(each, each.${KEYS[list]}).indexOf(m.${KEYS[list]}))`;

/** One line for each container of `variables.others` that has such elements `m`. */
const buildViolations = (list: List, isBroken: Cel, breach: Omit<Violation, 'rule'>): Cel => {
  const line = formatViolation({ rule: '6', ...breach });
  const lines = `${buildList(list)}.filter(m, ${isBroken}).map(m, ${line})`;
  return `variables.others.map(k, ${joinLines(lines)}).filter(lines, lines != "")`;
};

const IS_RESERVED = `m.name.startsWith(${PREFIX})`;
/** The first mount of a consumer's own socket volume; a second one is nobody's. */
const IS_OWN = `m.name in k.sockets && ${buildList('volumeMounts')}.filter(each, each.name == m.name)[0].mountPath == m.mountPath`;

const OWN_MOUNT = [
  {
    member: 'mountPath',
    isBroken: `m.mountPath != ${toCelLiteral(CONSUMER_MOUNT_PATH)}`,
    expected: CONSUMER_MOUNT_PATH,
    got: quoteText('m.mountPath'),
  },
  {
    member: 'readOnly',
    isBroken: '!m.?readOnly.orValue(false)',
    expected: 'true',
    got: '"nothing"',
  },
  ...['subPath', 'subPathExpr'].map((member) => ({
    member,
    isBroken: `m.?${member}.orValue("") != ""`,
    expected: 'nothing',
    got: quoteText(`m.${member}`),
  })),
  {
    member: 'mountPropagation',
    isBroken: 'm.?mountPropagation.orValue("None") != "None"',
    expected: 'None or nothing',
    got: 'm.mountPropagation',
  },
];

/** However a path is written: `/run` and `/var/run` are one folder in nearly every image. */
const buildOverlapTest = (path: Cel): Cel => {
  const ours = toCelLiteral(CONSUMER_MOUNT_PATH);
  const segments = `${path}.split("/").filter(s, s != "" && s != ".")`;
  const plain = `"/" + ${segments}.join("/")`;
  const whole = '(p == "/run" || p.startsWith("/run/") ? "/var" + p : p)';
  const touch = `q == "/" || (${ours} + "/").startsWith(q + "/") || q.startsWith(${ours} + "/")`;
  return `(".." in ${path}.split("/") || [${plain}].exists(p, [${whole}].exists(q, ${touch})))`;
};

/** Rule 6 as a list of lines; the same as lib/injection/rules/mounts.ts. */
export const buildMountViolations = (): Cel =>
  concatLists([
    ...OWN_MOUNT.map(({ isBroken, member, ...breach }) =>
      buildViolations('volumeMounts', `${IS_OWN} && ${isBroken}`, {
        ...breach,
        path: `${buildElementPath('volumeMounts')} + "/${member}"`,
      }),
    ),
    buildViolations('volumeMounts', `${IS_RESERVED} && !(${IS_OWN})`, {
      path: `${buildElementPath('volumeMounts')} + "/name"`,
      expected: 'no mount of the exchange token or of a socket of others',
      got: 'm.name',
    }),
    buildViolations('volumeMounts', `!${IS_RESERVED} && ${buildOverlapTest('m.mountPath')}`, {
      path: `${buildElementPath('volumeMounts')} + "/mountPath"`,
      expected: `a path without "..", neither at, above nor below ${CONSUMER_MOUNT_PATH}`,
      got: quoteText('m.mountPath'),
    }),
    buildViolations('volumeDevices', IS_RESERVED, {
      path: `${buildElementPath('volumeDevices')} + "/name"`,
      expected: 'no volume of Valetkey',
      got: 'm.name',
    }),
    buildViolations(
      'env',
      `m.?valueFrom.?fileKeyRef.?volumeName.orValue("").startsWith(${PREFIX})`,
      {
        path: `${buildElementPath('env')} + "/valueFrom/fileKeyRef/volumeName"`,
        expected: 'no volume of Valetkey',
        got: 'm.valueFrom.fileKeyRef.volumeName',
      },
    ),
  ]);
