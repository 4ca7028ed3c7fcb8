import { PUBLIC_KEYS_NAME } from '../../lib/audit/heads.ts';
import { AUDIT_HEADS_CONFIG_MAP } from '../../lib/contract/authority.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { CustomResource } from '../../lib/edge/kubernetes/custom-resources.ts';
import type { Replicas } from '../../lib/edge/kubernetes/installation.ts';
import type { Cluster } from './cluster.ts';
import { publishedKeys, readJwks, type PublishedKey } from './jwks.ts';
import { platformOf } from './platform.ts';

/** What was asked for, or why it is not known, in words for people. */
export type Fact<T> = { readonly value: T } | { readonly unknown: string };

/** All that `status` speaks of. */
export type StatusFacts = {
  readonly installedIn: string;
  readonly trust: Platform['trust'];
  /** Nothing: it does not exist. */
  readonly webhook: Fact<Replicas | undefined>;
  /** Live injected pods by namespace. */
  readonly pods: Fact<ReadonlyMap<string, number>>;
  /** Under `trust: authority`. */
  readonly authority?: {
    readonly program: Fact<Replicas | undefined>;
    readonly policies: Fact<readonly CustomResource[]>;
    readonly keys: Fact<readonly PublishedKey[]>;
    readonly revocations: Fact<readonly CustomResource[]>;
    /** By replica, as they stand in the ConfigMap. */
    readonly heads: Fact<Readonly<Record<string, string>>>;
  };
};

/**
 * Asks the cluster. What cannot be read is a fact, too: one missing right hides nothing else.
 *
 * @throws ToolError, KubernetesError where not even the platform's settings can be read
 */
export const readFacts = async (cluster: Cluster): Promise<StatusFacts> => {
  const { trust } = await platformOf(cluster);
  const { installedIn } = cluster;
  const [webhook, pods] = await Promise.all([
    known(cluster.readWebhook()),
    known(countPods(cluster)),
  ]);
  if (trust === 'cluster') return { installedIn, trust, webhook, pods };
  const [program, policies, keys, revocations, heads] = await Promise.all([
    known(cluster.readAuthority()),
    known(cluster.listPolicies()),
    known(readJwks(cluster).then(publishedKeys)),
    known(cluster.listRevocations()),
    known(readHeads(cluster)),
  ]);
  const authority = { program, policies, keys, revocations, heads };
  return { installedIn, trust, webhook, pods, authority };
};

const known = <T>(asked: Promise<T>): Promise<Fact<T>> =>
  asked.then(
    (value) => ({ value }),
    (error: unknown) => ({ unknown: error instanceof Error ? error.message : 'no answer' }),
  );

const countPods = async ({ listInjected }: Cluster): Promise<ReadonlyMap<string, number>> => {
  const counts = new Map<string, number>();
  for await (const { metadata } of listInjected()) {
    const namespace = metadata?.namespace ?? '';
    counts.set(namespace, (counts.get(namespace) ?? 0) + 1);
  }
  return counts;
};

const readHeads = async ({ readConfigMap }: Cluster): Promise<Readonly<Record<string, string>>> => {
  const data = (await readConfigMap(AUDIT_HEADS_CONFIG_MAP)) ?? {};
  return Object.fromEntries(Object.entries(data).filter(([name]) => name !== PUBLIC_KEYS_NAME));
};
