import { CLOUD_DOMAINS, SIDECAR_GID, SIDECAR_UID } from '../contract/names.ts';
import { SAFE_SYSCTLS } from '../injection/rules/isolation.ts';
import {
  breachWhen,
  concat,
  describeBreach,
  elements,
  joined,
  literal,
  shown,
  type Cel,
} from './cel.ts';
import type { PolicySettings } from './policy.ts';

const rule = '3';

/** Rule 3 as a list of lines; the same as lib/injection/rules/isolation.ts. */
export const isolationBreaches = ({
  hosts,
  isPlainHttp,
}: Pick<PolicySettings, 'hosts' | 'isPlainHttp'>): Cel =>
  concat([
    ...sharedNamespaces,
    ...windows,
    ...ownIds,
    ...aliases(hosts),
    sysctls,
    ...resolution(isPlainHttp),
  ]);

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

const NODE_SYSTEM = 'object.spec.?nodeSelector[?"kubernetes.io/os"].orValue("linux")';

const windows = [
  breachWhen('object.spec.?os.?name.orValue("linux") != "linux"', {
    rule,
    path: '"/spec/os/name"',
    expected: 'linux',
    got: shown('object.spec.os.name'),
  }),
  breachWhen(`${NODE_SYSTEM} != "linux"`, {
    rule,
    path: '"/spec/nodeSelector/kubernetes.io~1os"',
    expected: 'linux',
    got: shown(NODE_SYSTEM),
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

/** The API server takes names in lower case only. */
const aliases = (hosts: Cel): readonly Cel[] => {
  const isTraded = (host: Cel): Cel =>
    `(${host} in ${hosts} || ${literal(CLOUD_DOMAINS)}.exists(domain, ${host} == domain || ${host}.endsWith("." + domain)))`;
  const breach = (path: Cel, host: Cel) => ({
    rule,
    path,
    expected: 'no name of the authority or the cloud',
    got: shown(host),
  });
  const path = `"/spec/hostAliases/" + string(${ALIASES}.indexOf(alias)) + "/hostnames/" + string(alias.hostnames.indexOf(host))`;
  const lines = `${elements('alias.hostnames')}.filter(host, ${isTraded('host')}).map(host, ${describeBreach(breach(path, 'host'))})`;
  const own = ['hostname', 'hostnameOverride'].map((member) => {
    const host = `object.spec.?${member}.orValue("")`;
    return breachWhen(isTraded(host), breach(literal(`/spec/${member}`), host));
  });
  return [`${ALIASES}.map(alias, ${joined(lines)}).filter(lines, lines != "")`, ...own];
};

const SYSCTLS = elements('variables.ofPod.sysctls');

const sysctls = `${SYSCTLS}.filter(s, !(s.name in ${literal(SAFE_SYSCTLS)})).map(s, ${describeBreach(
  {
    rule,
    path: `"/spec/securityContext/sysctls/" + string(${SYSCTLS}.indexOf(s)) + "/name"`,
    expected: 'a sysctl that touches nothing but its pod (Pod Security Standards)',
    got: shown('s.name'),
  },
)})`;

const resolution = (isPlainHttp: Cel): readonly Cel[] => {
  const breach = (path: string) => ({
    rule,
    path: literal(path),
    expected: "the cluster's own resolution of names, since cloud.stsEndpoint is http",
    got: '"something else"',
  });
  const dns = 'object.spec.?dnsPolicy.orValue("") == "None"';
  return [
    breachWhen(`${isPlainHttp} && ${dns}`, breach('/spec/dnsPolicy')),
    ...['nameservers', 'searches'].map((member) => {
      const isThere = `object.spec.?dnsConfig.?${member}.orValue([]).size() > 0`;
      return breachWhen(`${isPlainHttp} && ${isThere}`, breach(`/spec/dnsConfig/${member}`));
    }),
  ];
};
