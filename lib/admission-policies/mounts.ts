import { VOLUME_PREFIX } from '../contract/names.ts';
import { CONSUMER_MOUNT_PATH } from '../contract/paths.ts';
import { concat, describeBreach, joined, literal, shown, type Breach, type Cel } from './cel.ts';

const PREFIX = literal(VOLUME_PREFIX);

type List = 'volumeMounts' | 'volumeDevices' | 'env';

/** By which member the API server keeps a list's elements apart. */
const KEYS = { volumeMounts: 'mountPath', volumeDevices: 'devicePath', env: 'name' } as const;

const listOf = (list: List): Cel => `k.it.?${list}.orValue([])`;

const pathTo = (list: List): Cel =>
  `k.path + "/${list}/" + string(${listOf(list)}.map(each, each.${KEYS[list]}).indexOf(m.${KEYS[list]}))`;

/** One line for each container of `variables.others` that has such elements `m`. */
const breachesOf = (list: List, isBroken: Cel, breach: Omit<Breach, 'rule'>): Cel => {
  const line = describeBreach({ rule: '6', ...breach });
  const lines = `${listOf(list)}.filter(m, ${isBroken}).map(m, ${line})`;
  return `variables.others.map(k, ${joined(lines)}).filter(lines, lines != "")`;
};

const IS_OURS = `m.name.startsWith(${PREFIX})`;
/** The first mount of a consumer's own socket volume; a second one is nobody's. */
const IS_OWN = `m.name in k.sockets && ${listOf('volumeMounts')}.filter(each, each.name == m.name)[0].mountPath == m.mountPath`;

const OWN_MOUNT = [
  {
    member: 'mountPath',
    isBroken: `m.mountPath != ${literal(CONSUMER_MOUNT_PATH)}`,
    expected: CONSUMER_MOUNT_PATH,
    got: shown('m.mountPath'),
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
    got: shown(`m.${member}`),
  })),
  {
    member: 'mountPropagation',
    isBroken: 'm.?mountPropagation.orValue("None") != "None"',
    expected: 'None or nothing',
    got: 'm.mountPropagation',
  },
];

/** However a path is written: `/run` and `/var/run` are one folder in nearly every image. */
const overlaps = (path: Cel): Cel => {
  const ours = literal(CONSUMER_MOUNT_PATH);
  const segments = `${path}.split("/").filter(s, s != "" && s != ".")`;
  const plain = `"/" + ${segments}.join("/")`;
  const whole = '(p == "/run" || p.startsWith("/run/") ? "/var" + p : p)';
  const touch = `q == "/" || (${ours} + "/").startsWith(q + "/") || q.startsWith(${ours} + "/")`;
  return `(".." in ${path}.split("/") || [${plain}].exists(p, [${whole}].exists(q, ${touch})))`;
};

/** Rule 6 as a list of lines; the same as lib/injection/rules/mounts.ts. */
export const mountBreaches = (): Cel =>
  concat([
    ...OWN_MOUNT.map(({ isBroken, member, ...breach }) =>
      breachesOf('volumeMounts', `${IS_OWN} && ${isBroken}`, {
        ...breach,
        path: `${pathTo('volumeMounts')} + "/${member}"`,
      }),
    ),
    breachesOf('volumeMounts', `${IS_OURS} && !(${IS_OWN})`, {
      path: `${pathTo('volumeMounts')} + "/name"`,
      expected: 'no mount of the exchange token or of a socket of others',
      got: 'm.name',
    }),
    breachesOf('volumeMounts', `!${IS_OURS} && ${overlaps('m.mountPath')}`, {
      path: `${pathTo('volumeMounts')} + "/mountPath"`,
      expected: `a path without "..", neither at, above nor below ${CONSUMER_MOUNT_PATH}`,
      got: shown('m.mountPath'),
    }),
    breachesOf('volumeDevices', IS_OURS, {
      path: `${pathTo('volumeDevices')} + "/name"`,
      expected: 'no volume of Valetkey',
      got: 'm.name',
    }),
    breachesOf('env', `m.?valueFrom.?fileKeyRef.?volumeName.orValue("").startsWith(${PREFIX})`, {
      path: `${pathTo('env')} + "/valueFrom/fileKeyRef/volumeName"`,
      expected: 'no volume of Valetkey',
      got: 'm.valueFrom.fileKeyRef.volumeName',
    }),
  ]);
