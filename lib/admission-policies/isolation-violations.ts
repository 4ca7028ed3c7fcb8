import { CLOUD_DOMAINS, SIDECAR_GID, SIDECAR_UID } from '../contract/names.ts';
import { SAFE_SYSCTLS } from '../injection/rules/isolation.ts';
import { NODE_OS_LABELS, WINDOWS_BUILD_LABEL } from '../injection/rules/operating-system.ts';
import {
  buildViolationWhen,
  concatLists,
  formatViolation,
  buildElements,
  joinLines,
  toCelLiteral,
  quoteText,
  type Cel,
} from './cel.ts';
import type { AdmissionPolicySettings } from './validating-admission-policy.ts';

const rule = '3';

/** Rule 3 as a list of lines; the same as lib/injection/rules/isolation.ts. */
export const buildIsolationViolations = ({
  hosts,
  isPlainHttp,
}: Pick<AdmissionPolicySettings, 'hosts' | 'isPlainHttp'>): Cel =>
  concatLists([
    ...sharedNamespaces,
    ...windows,
    ...sidecarIds,
    ...buildHostNameViolations(hosts),
    sysctls,
    ...buildDnsViolations(isPlainHttp),
  ]);

const sharedNamespaces = ['hostPID', 'hostIPC', 'hostNetwork', 'shareProcessNamespace'].map(
  (name) =>
    buildViolationWhen(`object.spec.?${name}.orValue(false)`, {
      rule,
      path: toCelLiteral(`/spec/${name}`),
      expected: 'false or nothing',
      got: '"true"',
    }),
);

const buildWindowsOptionsViolation = (path: Cel) => ({
  rule,
  path: `${path} + "/securityContext/windowsOptions"`,
  expected: 'nothing: sidecars run on Linux',
  got: '"options for Windows"',
});

/** Labels of Windows nodes, by their deprecated name too. */
const SELECTOR = 'object.spec.?nodeSelector.orValue({})';
const IS_WINDOWS_LABEL = `label in ${toCelLiteral(NODE_OS_LABELS)} && ${SELECTOR}[label] != "linux" || label == ${toCelLiteral(WINDOWS_BUILD_LABEL)}`;
const nodeSelector = `${SELECTOR}.filter(label, ${IS_WINDOWS_LABEL}).map(label, ${formatViolation({
  rule,
  path: '"/spec/nodeSelector/" + label.replace("/", "~1")',
  expected: 'linux, and no label of Windows nodes',
  got: quoteText(`${SELECTOR}[label]`),
})})`;

const AFFINITY = 'object.spec.affinity.nodeAffinity';
const REQUIRED = `${AFFINITY}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms`;
const PREFERRED = `${AFFINITY}.preferredDuringSchedulingIgnoredDuringExecution`;

/** An operator that is not known selects Windows, too. `e` is an expression of a term. */
const SELECTS_WINDOWS = `(e.key == ${toCelLiteral(WINDOWS_BUILD_LABEL)} ? !(e.operator in ["DoesNotExist", "NotIn"]) : e.key in ${toCelLiteral(NODE_OS_LABELS)} && (e.operator == "In" ? e.?values.orValue([]).exists(value, value != "linux") : e.operator == "NotIn" ? "linux" in e.?values.orValue([]) : e.operator != "Exists"))`;

/** @param element path to the term in an element of `list` */
const buildAffinityViolations = (list: string, element: string): Cel => {
  const terms = buildElements(list);
  const expressions = buildElements(`t${element}.matchExpressions`);
  const path = `"/${list.split('.').slice(1).join('/')}/" + string(${terms}.indexOf(t)) + "${element.replace('.', '/')}/matchExpressions/" + string(${expressions}.indexOf(e))`;
  const line = formatViolation({
    rule,
    path,
    expected: 'nodes of Linux only',
    got: quoteText('e.operator'),
  });
  const lines = `${expressions}.filter(e, ${SELECTS_WINDOWS}).map(e, ${line})`;
  return `${terms}.map(t, ${joinLines(lines)}).filter(lines, lines != "")`;
};

const windows = [
  buildViolationWhen('object.spec.?os.?name.orValue("linux") != "linux"', {
    rule,
    path: '"/spec/os/name"',
    expected: 'linux',
    got: quoteText('object.spec.os.name'),
  }),
  nodeSelector,
  buildAffinityViolations(REQUIRED, ''),
  buildAffinityViolations(PREFERRED, '.preference'),
  buildViolationWhen(
    'variables.ofPod.?windowsOptions.hasValue()',
    buildWindowsOptionsViolation('"/spec"'),
  ),
  `variables.all.filter(k, k.own.?windowsOptions.hasValue()).map(k, ${formatViolation(buildWindowsOptionsViolation('k.path'))})`,
];

const buildSidecarIdViolation = (member: string, ours: number): Cel =>
  buildViolationWhen(`variables.ofPod.?${member}.orValue(-1) == ${ours}`, {
    rule,
    path: toCelLiteral(`/spec/securityContext/${member}`),
    expected: "any id but the sidecar's",
    got: toCelLiteral(String(ours)),
  });

const GROUPS = 'variables.ofPod.supplementalGroups';

const sidecarIds = [
  buildSidecarIdViolation('runAsUser', SIDECAR_UID),
  buildSidecarIdViolation('runAsGroup', SIDECAR_GID),
  buildSidecarIdViolation('fsGroup', SIDECAR_GID),
  buildViolationWhen(`${buildElements(GROUPS)}.exists(id, id == ${SIDECAR_GID})`, {
    rule,
    path: `"/spec/securityContext/supplementalGroups/" + string(${buildElements(GROUPS)}.indexOf(${SIDECAR_GID}))`,
    expected: "any id but the sidecar's",
    got: toCelLiteral(String(SIDECAR_GID)),
  }),
];

const ALIASES = buildElements('object.spec.hostAliases');

/** The API server takes names in lower case only. */
const buildHostNameViolations = (hosts: Cel): readonly Cel[] => {
  const isCredentialHost = (host: Cel): Cel =>
    `(${host} in ${hosts} || ${toCelLiteral(CLOUD_DOMAINS)}.exists(domain, ${host} == domain || ${host}.endsWith("." + domain)))`;
  const breach = (path: Cel, host: Cel) => ({
    rule,
    path,
    expected: 'no name of the authority or the cloud',
    got: quoteText(host),
  });
  const path = `"/spec/hostAliases/" + string(${ALIASES}.indexOf(alias)) + "/hostnames/" + string(alias.hostnames.indexOf(host))`;
  const lines = `${buildElements('alias.hostnames')}.filter(host, ${isCredentialHost('host')}).map(host, ${formatViolation(breach(path, 'host'))})`;
  const own = ['hostname', 'hostnameOverride'].map((member) => {
    const host = `object.spec.?${member}.orValue("")`;
    return buildViolationWhen(
      isCredentialHost(host),
      breach(toCelLiteral(`/spec/${member}`), host),
    );
  });
  const subdomain = `object.spec.?subdomain.orValue("")`;
  const ownName = `(object.spec.?hostname.orValue(object.metadata.?name.orValue("")) + "." + ${subdomain} + "." + request.namespace + ".svc")`;
  const isOwnName = `${subdomain} != "" && ${hosts}.exists(host, (host + ".").startsWith(${ownName} + "."))`;
  return [
    `${ALIASES}.map(alias, ${joinLines(lines)}).filter(lines, lines != "")`,
    ...own,
    buildViolationWhen(isOwnName, breach('"/spec/subdomain"', ownName)),
  ];
};

const SYSCTLS = buildElements('variables.ofPod.sysctls');

const sysctls = `${SYSCTLS}.filter(s, !(s.name in ${toCelLiteral(SAFE_SYSCTLS)})).map(s, ${formatViolation(
  {
    rule,
    path: `"/spec/securityContext/sysctls/" + string(${SYSCTLS}.indexOf(s)) + "/name"`,
    expected: 'a sysctl that touches nothing but its pod (Pod Security Standards)',
    got: quoteText('s.name'),
  },
)})`;

const buildDnsViolations = (isPlainHttp: Cel): readonly Cel[] => {
  const breach = (path: string) => ({
    rule,
    path: toCelLiteral(path),
    expected: "the cluster's own resolution of names, since cloud.stsEndpoint is http",
    got: '"something else"',
  });
  const dns = 'object.spec.?dnsPolicy.orValue("") == "None"';
  return [
    buildViolationWhen(`${isPlainHttp} && ${dns}`, breach('/spec/dnsPolicy')),
    ...['nameservers', 'searches'].map((member) => {
      const isThere = `object.spec.?dnsConfig.?${member}.orValue([]).size() > 0`;
      return buildViolationWhen(
        `${isPlainHttp} && ${isThere}`,
        breach(`/spec/dnsConfig/${member}`),
      );
    }),
  ];
};
