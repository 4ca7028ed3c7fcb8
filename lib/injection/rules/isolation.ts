import { SIDECAR_GID, SIDECAR_UID } from '../../contract/names.ts';
import type { Platform } from '../../contract/platform.ts';
import type { Pod } from '../../contract/pod.ts';
import { show, type Fault } from '../../reading/fault.ts';
import { containersOf } from '../containers.ts';
import type { Judge } from './rule.ts';

/** Rule 3: nothing in the pod as a whole breaks the walls between its containers. */
export const judgeIsolation: Judge = (pod, { platform }) => [
  ...sharedNamespaces(pod),
  ...windows(pod),
  ...ownIds(pod),
  ...hostAliases(pod, platform),
  ...ownHostname(pod, platform),
];

const SHARED = ['hostPID', 'hostIPC', 'hostNetwork', 'shareProcessNamespace'] as const;

const sharedNamespaces = (pod: Pod): readonly Fault[] =>
  SHARED.filter((name) => pod.spec?.[name] === true).map((name) => ({
    path: `/spec/${name}`,
    expected: 'false or nothing',
    got: 'true',
  }));

const windows = (pod: Pod): readonly Fault[] => {
  const { os, securityContext } = pod.spec ?? {};
  const options = [
    { path: '/spec', options: securityContext?.windowsOptions },
    ...containersOf(pod).map(({ path, container }) => ({
      path,
      options: container.securityContext?.windowsOptions,
    })),
  ];
  return [
    ...(os === undefined || os.name === 'linux'
      ? []
      : [{ path: '/spec/os/name', expected: 'linux', got: show(os.name) }]),
    ...options
      .filter((each) => each.options !== undefined)
      .map(({ path }) => ({
        path: `${path}/securityContext/windowsOptions`,
        expected: 'nothing: sidecars run on Linux',
        got: 'options for Windows',
      })),
  ];
};

const ownIds = (pod: Pod): readonly Fault[] => {
  const { runAsUser, runAsGroup, fsGroup, supplementalGroups } = pod.spec?.securityContext ?? {};
  const ids = [
    { at: 'runAsUser', id: runAsUser, ours: SIDECAR_UID },
    { at: 'runAsGroup', id: runAsGroup, ours: SIDECAR_GID },
    { at: 'fsGroup', id: fsGroup, ours: SIDECAR_GID },
    ...(supplementalGroups ?? []).map((id, index) => ({
      at: `supplementalGroups/${index}`,
      id,
      ours: SIDECAR_GID,
    })),
  ];
  return ids
    .filter(({ id, ours }) => id === ours)
    .map(({ at, id }) => ({
      path: `/spec/securityContext/${at}`,
      expected: "any id but the sidecar's",
      got: show(id),
    }));
};

/** Domains in which AWS answers. */
const CLOUD_DOMAINS = ['amazonaws.com', 'amazonaws.com.cn', 'api.aws'];

const hostAliases = (pod: Pod, platform: Platform): readonly Fault[] =>
  (pod.spec?.hostAliases ?? []).flatMap(({ hostnames }, alias) =>
    (hostnames ?? []).flatMap((name, index) =>
      judgeHost(name, `/spec/hostAliases/${alias}/hostnames/${index}`, platform),
    ),
  );

/** The kubelet writes it into `/etc/hosts` beside the pod's address: one more alias. */
const ownHostname = (pod: Pod, platform: Platform): readonly Fault[] =>
  judgeHost(pod.spec?.hostnameOverride ?? '', '/spec/hostnameOverride', platform);

const judgeHost = (name: string, path: string, platform: Platform): readonly Fault[] =>
  isTraded(name.toLowerCase().replace(/\.$/, ''), platform)
    ? [{ path, expected: 'no name of the authority or the cloud', got: show(name) }]
    : [];

/** Whether credentials come from this host, or from anywhere by way of it. */
const isTraded = (host: string, { cloud, authority }: Platform): boolean => {
  const urls = [authority?.endpoint, cloud.stsEndpoint, cloud.httpsProxy];
  return (
    urls.some((url) => URL.parse(url ?? '')?.hostname === host) ||
    CLOUD_DOMAINS.some((domain) => host === domain || host.endsWith(`.${domain}`))
  );
};
