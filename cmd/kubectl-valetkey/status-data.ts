import { PUBLIC_KEYS_NAME } from '../../lib/audit/heads.ts';
import {
  AUDIT_HEADS_CONFIG_MAP,
  CA_BUNDLE_KEY,
  TRUST_BUNDLE_CONFIG_MAP,
} from '../../lib/contract/authority-api.ts';
import { INSTALLED } from '../../lib/contract/names.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { CustomResource } from '../../lib/edge/kubernetes/custom-resources.ts';
import type {
  AuthorityEvent,
  ClusterObject,
  Replicas,
} from '../../lib/edge/kubernetes/installation.ts';
import { compilePolicies, type CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { toPolicyText } from '../../lib/policy/policy-text.ts';
import type { ClusterClient } from './cluster.ts';
import { listInstalledObjects } from './installed-objects.ts';
import { parsePublishedKeys, readJwks, type PublishedKey } from './jwks.ts';
import { readClusterPlatform } from './platform-settings.ts';
import { listExceptions, type ListedException, type VendingTask } from './vend-report.ts';
import {
  createPodCounter,
  listVendingTasks,
  type PodCounts,
  type VendingDeps,
} from './vending-pods.ts';

/** A value that was read, or the message that explains why it is unknown. */
export type ReadResult<T> = { readonly value: T } | { readonly unknown: string };

export type StatusDeps = Pick<VendingDeps, 'loadCatalog' | 'now'>;

/** Data that `status` reads from the cluster. */
export type StatusData = {
  readonly installedIn: string;
  readonly platform: Platform;
  /** `undefined`: the Deployment does not exist. */
  readonly webhook: ReadResult<Replicas | undefined>;
  /** Objects for the whole cluster; `undefined`: it does not exist. */
  readonly objects: readonly (ClusterObject & { readonly content: ReadResult<unknown> })[];
  /** Parameters of the admission policies; `undefined`: the ConfigMap does not exist. */
  readonly policyParameters: ReadResult<Readonly<Record<string, string>> | undefined>;
  /** Number of running injected pods by namespace. */
  readonly pods: ReadResult<ReadonlyMap<string, number>>;
  /** Tasks of these pods with `delivery: vend`. */
  readonly vending: readonly VendingTask[];
  /** Exceptions of all TaskPolicies; empty if those could not be read. */
  readonly exceptions: readonly ListedException[];
  /** Present under `trust: authority`. */
  readonly authority?: {
    readonly program: ReadResult<Replicas | undefined>;
    readonly policies: ReadResult<readonly CustomResource[]>;
    readonly keys: ReadResult<readonly PublishedKey[]>;
    readonly revocations: ReadResult<readonly CustomResource[]>;
    readonly upstreams: ReadResult<readonly CustomResource[]>;
    /** Unparsed audit heads of the ConfigMap, by replica. */
    readonly heads: ReadResult<Readonly<Record<string, string>>>;
    readonly events: ReadResult<readonly AuthorityEvent[]>;
    /** CA certificates (PEM) that sidecars trust; empty: there is none. */
    readonly trustBundle: ReadResult<string>;
  };
};

/**
 * Reads the state of the installation. A part that cannot be read becomes `unknown`, so that one
 * missing permission does not hide the other parts.
 *
 * @throws ToolError, KubernetesError if the platform's settings cannot be read
 */
export const readStatusData = async (
  cluster: ClusterClient,
  deps: StatusDeps,
): Promise<StatusData> => {
  const platform = await readClusterPlatform(cluster);
  const { trust } = platform;
  const { installedIn } = cluster;
  const [webhook, counts, policyParameters, objects] = await Promise.all([
    toReadResult(cluster.readWebhook()),
    toReadResult(countPods(cluster)),
    toReadResult(cluster.readConfigMap(INSTALLED.policyParameters)),
    readObjects(cluster, trust),
  ]);
  const pods = 'value' in counts ? { value: counts.value.byNamespace } : counts;
  const known = 'value' in counts ? counts.value : NO_PODS;
  const base = { installedIn, platform, webhook, pods, policyParameters, objects };
  const { readNamespaceLabels } = cluster;
  const listVending = (compiled: CompiledPolicies | undefined) =>
    listVendingTasks(known, { ...deps, platform, policies: compiled, readNamespaceLabels });
  if (trust === 'cluster') {
    return { ...base, vending: await listVending(undefined), exceptions: [] };
  }
  const [program, policies, keys, revocations, upstreams, heads, events, trustBundle] =
    await Promise.all([
      toReadResult(cluster.readAuthority()),
      toReadResult(cluster.listPolicies()),
      toReadResult(readJwks(cluster).then(parsePublishedKeys)),
      toReadResult(cluster.listRevocations()),
      toReadResult(cluster.listUpstreams()),
      toReadResult(readHeads(cluster)),
      toReadResult(readEvents(cluster)),
      toReadResult(readTrustBundle(cluster)),
    ]);
  const compiled =
    'value' in policies ? compilePolicies(policies.value.map(toPolicyText)) : undefined;
  return {
    ...base,
    vending: await listVending(compiled),
    exceptions: compiled === undefined ? [] : listExceptions(compiled, deps.now),
    authority: { program, policies, keys, revocations, upstreams, heads, events, trustBundle },
  };
};

/** Reads the objects for the whole cluster that an installation has. */
export const readObjects = (
  { readClusterObject }: ClusterClient,
  trust: Platform['trust'],
): Promise<StatusData['objects']> =>
  Promise.all(
    listInstalledObjects(trust).map(async (object) => ({
      ...object,
      content: await toReadResult(readClusterObject(object)),
    })),
  );

/** Waits for a value; an error becomes the message that explains why it is unknown. */
export const toReadResult = <T>(pending: Promise<T>): Promise<ReadResult<T>> =>
  pending.then(
    (value) => ({ value }),
    (error: unknown) => ({ unknown: error instanceof Error ? error.message : 'no response' }),
  );

const NO_PODS: PodCounts = { byNamespace: new Map(), workloads: [] };

const countPods = async ({ listInjected }: ClusterClient): Promise<PodCounts> => {
  const counter = createPodCounter();
  for await (const pod of listInjected()) counter.add(pod);
  return counter.result();
};

const readHeads = async ({
  readConfigMap,
}: ClusterClient): Promise<Readonly<Record<string, string>>> => {
  const data = (await readConfigMap(AUDIT_HEADS_CONFIG_MAP)) ?? {};
  return Object.fromEntries(Object.entries(data).filter(([name]) => name !== PUBLIC_KEYS_NAME));
};

const readEvents = async ({
  listAuthorityEvents,
}: ClusterClient): Promise<readonly AuthorityEvent[]> => {
  const events: AuthorityEvent[] = [];
  for await (const event of listAuthorityEvents()) events.push(event);
  return events;
};

const readTrustBundle = async ({ readConfigMap }: ClusterClient): Promise<string> =>
  (await readConfigMap(TRUST_BUNDLE_CONFIG_MAP))?.[CA_BUNDLE_KEY] ?? '';
