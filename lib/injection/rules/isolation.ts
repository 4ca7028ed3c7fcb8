import { CLOUD_DOMAINS, SIDECAR_GID, SIDECAR_UID } from '../../contract/names.ts';
import type { Platform } from '../../contract/platform.ts';
import type { Pod } from '../../contract/pod.ts';
import { formatValue, type FieldError } from '../../schema/field-error.ts';
import { checkOperatingSystem } from './operating-system.ts';
import type { RuleCheck } from './rule.ts';

/** Rule 3: no pod-level setting weakens the isolation between containers. */
export const checkIsolation: RuleCheck = (pod, { platform, namespace = '' }) => [
  ...checkSharedNamespaces(pod),
  ...checkOperatingSystem(pod),
  ...checkSidecarIds(pod),
  ...checkHostAliases(pod, platform),
  ...checkHostnames(pod, platform),
  ...checkSubdomain(pod, { platform, namespace }),
  ...checkSysctls(pod),
  ...checkDnsResolution(pod, platform),
];

const SHARED_NAMESPACES = ['hostPID', 'hostIPC', 'hostNetwork', 'shareProcessNamespace'] as const;

const checkSharedNamespaces = (pod: Pod): readonly FieldError[] =>
  SHARED_NAMESPACES.filter((name) => pod.spec?.[name] === true).map((name) => ({
    path: `/spec/${name}`,
    expected: 'false or nothing',
    got: 'true',
  }));

const checkSidecarIds = (pod: Pod): readonly FieldError[] => {
  const { runAsUser, runAsGroup, fsGroup, supplementalGroups } = pod.spec?.securityContext ?? {};
  const ids = [
    { at: 'runAsUser', id: runAsUser, sidecarId: SIDECAR_UID },
    { at: 'runAsGroup', id: runAsGroup, sidecarId: SIDECAR_GID },
    { at: 'fsGroup', id: fsGroup, sidecarId: SIDECAR_GID },
    ...(supplementalGroups ?? []).map((id, index) => ({
      at: `supplementalGroups/${index}`,
      id,
      sidecarId: SIDECAR_GID,
    })),
  ];
  return ids
    .filter(({ id, sidecarId }) => id === sidecarId)
    .map(({ at, id }) => ({
      path: `/spec/securityContext/${at}`,
      expected: "any id but the sidecar's",
      got: formatValue(id),
    }));
};

const checkHostAliases = (pod: Pod, platform: Platform): readonly FieldError[] =>
  (pod.spec?.hostAliases ?? []).flatMap(({ hostnames }, alias) =>
    (hostnames ?? []).flatMap((name, index) =>
      checkHost(name, `/spec/hostAliases/${alias}/hostnames/${index}`, platform),
    ),
  );

/** The kubelet writes these into `/etc/hosts` with the pod's address, so they are aliases too. */
const checkHostnames = (pod: Pod, platform: Platform): readonly FieldError[] =>
  (['hostname', 'hostnameOverride'] as const).flatMap((member) =>
    checkHost(pod.spec?.[member] ?? '', `/spec/${member}`, platform),
  );

/** With a subdomain, the kubelet also writes the name that the cluster's DNS has for the pod. */
const checkSubdomain = (
  { metadata, spec }: Pod,
  { platform, namespace }: { readonly platform: Platform; readonly namespace: string },
): readonly FieldError[] => {
  const { subdomain = '', hostname = metadata?.name ?? '' } = spec ?? {};
  const name = `${hostname}.${subdomain}.${namespace}.svc`;
  const isTaken = listCredentialHosts(platform).some(
    (host) => host === name || host.startsWith(`${name}.`),
  );
  return subdomain !== '' && isTaken
    ? [
        {
          path: '/spec/subdomain',
          expected: 'no host name of the authority or the cloud',
          got: formatValue(name),
        },
      ]
    : [];
};

const checkHost = (name: string, path: string, platform: Platform): readonly FieldError[] =>
  isCredentialHost(name.toLowerCase().replace(/\.$/, ''), platform)
    ? [{ path, expected: 'no host name of the authority or the cloud', got: formatValue(name) }]
    : [];

/** Whether credentials come from this host, or through it. */
const isCredentialHost = (host: string, platform: Platform): boolean =>
  listCredentialHosts(platform).includes(host) ||
  CLOUD_DOMAINS.some((domain) => host === domain || host.endsWith(`.${domain}`));

const listCredentialHosts = ({ cloud, authority }: Platform): readonly string[] =>
  [authority?.endpoint, cloud.stsEndpoint, cloud.httpsProxy].flatMap(
    (url) => URL.parse(url ?? '')?.hostname ?? [],
  );

/**
 * Sysctls that affect only their pod (Pod Security Standards). An unsafe one is
 * `net.ipv4.conf.all.route_localnet`, which makes 127.0.0.1 reachable from the network.
 */
export const SAFE_SYSCTLS: readonly string[] = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
];

const checkSysctls = (pod: Pod): readonly FieldError[] =>
  (pod.spec?.securityContext?.sysctls ?? []).flatMap(({ name }, index) =>
    SAFE_SYSCTLS.includes(name)
      ? []
      : [
          {
            path: `/spec/securityContext/sysctls/${index}/name`,
            expected: 'a sysctl that affects only its pod (Pod Security Standards)',
            got: formatValue(name),
          },
        ],
  );

/**
 * A server that answers the pod's DNS queries can impersonate the authority or the cloud only if the
 * sidecar exchanges its token over HTTP. Otherwise TLS verifies the host name.
 */
const checkDnsResolution = (pod: Pod, { trust, cloud }: Platform): readonly FieldError[] => {
  const { dnsPolicy, dnsConfig } = pod.spec ?? {};
  if (trust === 'authority' || cloud.stsEndpoint?.startsWith('http:') !== true) return [];
  const expected = "the cluster's DNS, because cloud.stsEndpoint uses http";
  return [
    { path: '/spec/dnsPolicy', isBroken: dnsPolicy === 'None', got: dnsPolicy },
    ...(['nameservers', 'searches'] as const).map((member) => ({
      path: `/spec/dnsConfig/${member}`,
      isBroken: (dnsConfig?.[member] ?? []).length > 0,
      got: dnsConfig?.[member],
    })),
  ]
    .filter(({ isBroken }) => isBroken)
    .map(({ path, got }) => ({ path, expected, got: formatValue(got) }));
};
