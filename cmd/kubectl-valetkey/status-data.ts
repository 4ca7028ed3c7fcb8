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
import type { ClusterClient } from './cluster.ts';
import { listInstalledObjects } from './installed-objects.ts';
import { parsePublishedKeys, readJwks, type PublishedKey } from './jwks.ts';
import { readClusterPlatform } from './platform-settings.ts';

/** A value that was read, or the message that explains why it is unknown. */
export type ReadResult<T> = { readonly value: T } | { readonly unknown: string };

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
  /** Present under `trust: authority`. */
  readonly authority?: {
    readonly program: ReadResult<Replicas | undefined>;
    readonly policies: ReadResult<readonly CustomResource[]>;
    readonly keys: ReadResult<readonly PublishedKey[]>;
    readonly revocations: ReadResult<readonly CustomResource[]>;
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
export const readStatusData = async (cluster: ClusterClient): Promise<StatusData> => {
  const platform = await readClusterPlatform(cluster);
  const { trust } = platform;
  const { installedIn } = cluster;
  const [webhook, pods, policyParameters, objects] = await Promise.all([
    toReadResult(cluster.readWebhook()),
    toReadResult(countPods(cluster)),
    toReadResult(cluster.readConfigMap(INSTALLED.policyParameters)),
    readObjects(cluster, trust),
  ]);
  const base = { installedIn, platform, webhook, pods, policyParameters, objects };
  if (trust === 'cluster') return base;
  const [program, policies, keys, revocations, heads, events, trustBundle] = await Promise.all([
    toReadResult(cluster.readAuthority()),
    toReadResult(cluster.listPolicies()),
    toReadResult(readJwks(cluster).then(parsePublishedKeys)),
    toReadResult(cluster.listRevocations()),
    toReadResult(readHeads(cluster)),
    toReadResult(readEvents(cluster)),
    toReadResult(readTrustBundle(cluster)),
  ]);
  return {
    ...base,
    authority: { program, policies, keys, revocations, heads, events, trustBundle },
  };
};

const readObjects = (
  { readClusterObject }: ClusterClient,
  trust: Platform['trust'],
): Promise<StatusData['objects']> =>
  Promise.all(
    listInstalledObjects(trust).map(async (object) => ({
      ...object,
      content: await toReadResult(readClusterObject(object)),
    })),
  );

const toReadResult = <T>(pending: Promise<T>): Promise<ReadResult<T>> =>
  pending.then(
    (value) => ({ value }),
    (error: unknown) => ({ unknown: error instanceof Error ? error.message : 'no response' }),
  );

const countPods = async ({ listInjected }: ClusterClient): Promise<ReadonlyMap<string, number>> => {
  const counts = new Map<string, number>();
  for await (const { metadata } of listInjected()) {
    const namespace = metadata?.namespace ?? '';
    counts.set(namespace, (counts.get(namespace) ?? 0) + 1);
  }
  return counts;
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
