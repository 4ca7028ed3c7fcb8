import { SIDECAR_GID, SIDECAR_UID } from '../contract/names.ts';
import { CLOUD_DOMAINS } from '../injection/rules/isolation.ts';
import { breachWhen, concat, describeBreach, elements, literal, shown, type Cel } from './cel.ts';
import type { PolicySettings } from './policy.ts';

const rule = '3';

/** Rule 3 as a list of lines; the same as lib/injection/rules/isolation.ts. */
export const isolationBreaches = ({ hosts }: Pick<PolicySettings, 'hosts'>): Cel =>
  concat([...sharedNamespaces, ...windows, ...ownIds, ...aliases(hosts)]);

const sharedNamespaces = ['hostPID', 'hostIPC', 'hostNetwork', 'shareProcessNamespace'].map(
  (name) =>
    breachWhen(`object.spec.?${name}.orValue(false)`, {
      rule,
      path: literal(`/spec/${name}`),
      expected: 'false or nothing',
      got: '"true"',
    }),
);

const windowsOptions = (path: Cel) => ({
  rule,
  path: `${path} + "/securityContext/windowsOptions"`,
  expected: 'nothing: sidecars run on Linux',
  got: '"options for Windows"',
});

const windows = [
  breachWhen('object.spec.?os.?name.orValue("linux") != "linux"', {
    rule,
    path: '"/spec/os/name"',
    expected: 'linux',
    got: shown('object.spec.os.name'),
  }),
  breachWhen('variables.ofPod.?windowsOptions.hasValue()', windowsOptions('"/spec"')),
  `variables.all.filter(k, k.own.?windowsOptions.hasValue()).map(k, ${describeBreach(windowsOptions('k.path'))})`,
];

const ownId = (member: string, ours: number): Cel =>
  breachWhen(`variables.ofPod.?${member}.orValue(-1) == ${ours}`, {
    rule,
    path: literal(`/spec/securityContext/${member}`),
    expected: "any id but the sidecar's",
    got: literal(String(ours)),
  });

const GROUPS = 'variables.ofPod.supplementalGroups';

const ownIds = [
  ownId('runAsUser', SIDECAR_UID),
  ownId('runAsGroup', SIDECAR_GID),
  ownId('fsGroup', SIDECAR_GID),
  breachWhen(`${elements(GROUPS)}.exists(id, id == ${SIDECAR_GID})`, {
    rule,
    path: `"/spec/securityContext/supplementalGroups/" + string(${elements(GROUPS)}.indexOf(${SIDECAR_GID}))`,
    expected: "any id but the sidecar's",
    got: literal(String(SIDECAR_GID)),
  }),
];

const ALIASES = elements('object.spec.hostAliases');
const HOSTNAME = 'object.spec.?hostnameOverride.orValue("")';

/** The API server takes names in lower case only. */
const aliases = (hosts: Cel): readonly Cel[] => {
  const isTraded = (host: Cel): Cel =>
    `(${host} in ${hosts} || ${literal(CLOUD_DOMAINS)}.exists(domain, ${host} == domain || ${host}.endsWith("." + domain)))`;
  const breach = (path: Cel, host: Cel): Cel =>
    describeBreach({
      rule,
      path,
      expected: 'no name of the authority or the cloud',
      got: shown(host),
    });
  const path = `"/spec/hostAliases/" + string(${ALIASES}.indexOf(alias)) + "/hostnames/" + string(alias.hostnames.indexOf(host))`;
  return [
    `${ALIASES}.map(alias, ${elements('alias.hostnames')}.filter(host, ${isTraded('host')}).map(host, ${breach(path, 'host')}).join("; ")).filter(lines, lines != "")`,
    `(${isTraded(HOSTNAME)} ? [${breach('"/spec/hostnameOverride"', HOSTNAME)}] : [])`,
  ];
};
