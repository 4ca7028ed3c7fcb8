import type { Platform } from '../../../lib/contract/platform.ts';
import type {
  ApiServerFacts,
  DryRunResult,
  KubernetesVersion,
  NamespaceFacts,
} from '../../../lib/edge/kubernetes/cluster-facts.ts';
import type { CustomResource } from '../../../lib/edge/kubernetes/custom-resources.ts';
import type { Replicas } from '../../../lib/edge/kubernetes/installation.ts';
import { toMapping, type Mapping } from '../../../lib/schema/mapping.ts';
import type { ClusterClient } from '../cluster.ts';
import type { Io } from '../io.ts';
import { readJwks } from '../jwks.ts';
import { readClusterPlatform } from '../platform-settings.ts';
import { readObjects, toReadResult, type ReadResult, type StatusData } from '../status-data.ts';
import { AUTHORITY_TELEMETRY_LISTEN } from '../../../lib/contract/authority-api.ts';
import { INSTALLED } from '../../../lib/contract/names.ts';
import { WEBHOOK_TELEMETRY_LISTEN } from '../../../lib/contract/paths.ts';
import {
  buildAccountSubject,
  buildUseQuestion,
  listConstraintNames,
  NEEDS,
  type ConstrainedPods,
  type ConstraintFacts,
} from './constraint-checks.ts';
import type { ScrapedProgram, ScrapingFacts } from './scraping-checks.ts';
import { buildSamplePod } from './admission-checks.ts';
import { isPrivateIssuer, type IssuerFacts, type PublishedIssuer } from './issuer-checks.ts';
import type { MutatorFacts } from './mutator-checks.ts';
import { TASK_SELECTOR } from './namespace-checks.ts';
import type { ClockReading } from './server-checks.ts';

/** What `check` reads about a cluster, with or without Valetkey. */
export type ClusterFacts = {
  readonly apiServer: ReadResult<ApiServerFacts & ClockReading>;
  readonly kubelets: ReadResult<ReadonlyMap<string, KubernetesVersion | undefined>>;
  readonly storageClasses: ReadResult<readonly Mapping[]>;
  readonly mutators: ReadResult<MutatorFacts>;
  /** Those with the label of the starter policy. */
  readonly namespaces: ReadResult<readonly NamespaceFacts[]>;
};

/** What `check` reads about an installation. */
export type InstallationFacts = {
  readonly trust: Platform['trust'];
  readonly installedIn: string;
  readonly webhook: ReadResult<Replicas | undefined>;
  readonly objects: StatusData['objects'];
  readonly issuer: IssuerFacts;
  readonly constraints: ReadResult<ConstraintFacts>;
  readonly scraping: ScrapingFacts;
  /** Absent: there is no namespace for the sample pod. */
  readonly admission?: { readonly namespace: string; readonly result: ReadResult<DryRunResult> };
  /** Present under `trust: authority`. */
  readonly authority?: {
    readonly program: ReadResult<Replicas | undefined>;
    /** Its StatefulSet. */
    readonly object: ReadResult<unknown>;
    readonly policies: ReadResult<readonly CustomResource[]>;
  };
};

type FactsIo = Pick<Io, 'now' | 'fetchDocument' | 'newId'>;

/** Reads what concerns the cluster alone; what cannot be read becomes `unknown`. */
export const readClusterFacts = async (
  cluster: ClusterClient,
  io: Pick<FactsIo, 'now'>,
): Promise<ClusterFacts> => {
  const [apiServer, kubelets, storageClasses, mutators, namespaces] = await Promise.all([
    toReadResult(readApiServer(cluster, io)),
    toReadResult(cluster.listKubelets()),
    toReadResult(cluster.listStorageClasses()),
    toReadResult(readMutators(cluster)),
    toReadResult(cluster.listNamespaces(TASK_SELECTOR)),
  ]);
  return { apiServer, kubelets, storageClasses, mutators, namespaces };
};

const readMutators = async (cluster: ClusterClient): Promise<MutatorFacts> => {
  const [configurations, policies = [], autoscalers = [], namespaces] = await Promise.all([
    cluster.listMutatingWebhooks(),
    cluster.listMutatingPolicies(),
    cluster.listVerticalAutoscalers(),
    cluster.listNamespaces(TASK_SELECTOR),
  ]);
  const names: readonly unknown[] = namespaces.map(({ name }) => name);
  const isOfTasks = ({ metadata }: Mapping): boolean =>
    names.includes(toMapping(metadata)['namespace']);
  return { configurations, policies, autoscalers: autoscalers.filter(isOfTasks) };
};

const readApiServer = async (
  { readApiServer: read }: ClusterClient,
  { now }: Pick<FactsIo, 'now'>,
): Promise<ApiServerFacts & ClockReading> => {
  const sentAt = now();
  const facts = await read();
  return { ...facts, sentAt, receivedAt: now() };
};

/**
 * Reads what concerns the installation.
 *
 * @param namespace for the sample pod; undefined: the first one with the label of the starter policy
 * @throws ToolError, KubernetesError if the platform's settings cannot be read
 */
export const readInstallationFacts = async (
  cluster: ClusterClient,
  namespace: string | undefined,
  io: FactsIo,
): Promise<InstallationFacts> => {
  const platform = await readClusterPlatform(cluster);
  const { trust } = platform;
  const [webhook, objects, issuer, result, authority] = await Promise.all([
    toReadResult(cluster.readWebhook()),
    readObjects(cluster, trust),
    readIssuer(cluster, platform, io),
    namespace === undefined ? undefined : tryAdmission(cluster, { namespace, platform }, io),
    trust === 'authority' ? readAuthority(cluster) : undefined,
  ]);
  const admission = namespace !== undefined && result !== undefined && { namespace, result };
  const { installedIn } = cluster;
  const pods = await toReadResult(readProgramPods(cluster, trust));
  const [constraints, scraping] = await Promise.all([
    toReadResult(readConstraints(cluster, { pods, ...(admission && { admission }) })),
    readScraping(cluster, pods),
  ]);
  return {
    trust,
    installedIn,
    webhook,
    objects,
    issuer,
    constraints,
    scraping,
    ...(admission && { admission }),
    ...(authority && { authority }),
  };
};

type AdmissionPlan = { readonly namespace: string; readonly platform: Platform };

const tryAdmission = (
  { dryRunPod }: ClusterClient,
  { namespace, platform }: AdmissionPlan,
  { newId }: FactsIo,
): Promise<ReadResult<DryRunResult>> =>
  toReadResult(dryRunPod(namespace, buildSamplePod(`check-${newId()}`, platform)));

const readAuthority = async (cluster: ClusterClient) => {
  const [program, object, policies] = await Promise.all([
    toReadResult(cluster.readAuthority()),
    toReadResult(cluster.readAuthorityObject()),
    toReadResult(cluster.listPolicies()),
  ]);
  return { program, object, policies };
};

const readIssuer = async (
  cluster: ClusterClient,
  { authority, cloud: { dialect } }: Platform,
  io: FactsIo,
): Promise<IssuerFacts> => {
  if (authority !== undefined) {
    const { issuer } = authority;
    const own = await toReadResult(readJwks(cluster));
    return { issuer, dialect, own, ...(await fetchIssuer(issuer, io)) };
  }
  const found = await toReadResult(cluster.readTokenIssuer());
  if ('unknown' in found) return { issuer: 'unknown', dialect, own: found, published: found };
  const { issuer, jwks } = found.value;
  return { issuer, dialect, own: { value: jwks }, ...(await fetchIssuer(issuer, io)) };
};

const fetchIssuer = async (issuer: string, io: FactsIo): Promise<Pick<IssuerFacts, 'published'>> =>
  isPrivateIssuer(issuer) ? {} : { published: await toReadResult(fetchDocuments(issuer, io)) };

const fetchDocuments = async (
  issuer: string,
  { fetchDocument }: FactsIo,
): Promise<PublishedIssuer> => {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const document = toMapping(await fetchDocument(url));
  const jwks = await fetchDocument(String(document['jwks_uri']));
  return { issuer: document['issuer'], jwks };
};

/** One pod of each program, where there is one. */
type ProgramPods = readonly (Pick<ScrapedProgram, 'name' | 'port'> & {
  readonly component: 'webhook' | 'authority';
  readonly pod: Mapping | undefined;
})[];

const PROGRAMS = [
  { component: 'webhook', name: INSTALLED.webhook, port: WEBHOOK_TELEMETRY_LISTEN },
  { component: 'authority', name: INSTALLED.authority, port: AUTHORITY_TELEMETRY_LISTEN },
] as const;

const readProgramPods = (
  { inNamespace, installedIn }: ClusterClient,
  trust: Platform['trust'],
): Promise<ProgramPods> =>
  Promise.all(
    PROGRAMS.filter(({ component }) => component === 'webhook' || trust === 'authority').map(
      async (program) => {
        const pods = await inNamespace(installedIn).listPods(
          `app.kubernetes.io/component=${program.component}`,
        );
        const running = pods.filter(({ status }) => toMapping(status)['phase'] === 'Running');
        return { ...program, pod: running[0] };
      },
    ),
  );

type ConstraintSources = {
  readonly pods: ReadResult<ProgramPods>;
  readonly admission?: NonNullable<InstallationFacts['admission']>;
};

const readConstraints = async (
  cluster: ClusterClient,
  { pods, admission }: ConstraintSources,
): Promise<ConstraintFacts> => {
  const constraints = await cluster.listSecurityConstraints();
  if (constraints === undefined) return { constraints, pods: [] };
  const { installedIn } = cluster;
  if ('unknown' in pods) throw new Error(pods.unknown);
  const programs = pods.value;
  const all: readonly ConstrainedPods[] = [
    ...programs.map(({ name, component, pod }) => ({
      name,
      subject: buildAccountSubject(installedIn, name),
      namespace: installedIn,
      needs: NEEDS[component],
      ...(pod && { pod }),
    })),
    ...(admission === undefined ? [] : [toAgents(admission)]),
  ];
  const names = listConstraintNames(constraints);
  const withRights = all.map(async (each) => {
    const rights = await Promise.all(
      names.map((name) =>
        cluster.checkSubjectAccess(each.subject, buildUseQuestion(name, each.namespace)),
      ),
    );
    return { ...each, usable: names.filter((_, at) => rights[at]) };
  });
  return { constraints, pods: await Promise.all(withRights) };
};

const toAgents = ({
  namespace,
  result,
}: NonNullable<InstallationFacts['admission']>): ConstrainedPods => ({
  name: `pods with tasks in ${namespace}`,
  subject: buildAccountSubject(namespace, 'default'),
  namespace,
  needs: NEEDS.agents,
  ...('value' in result && 'pod' in result.value && { pod: result.value.pod }),
});

const readScraping = async (
  cluster: ClusterClient,
  pods: ReadResult<ProgramPods>,
): Promise<ScrapingFacts> => {
  const programs = 'value' in pods ? pods.value : [];
  const [monitors, networkPolicies, ...metrics] = await Promise.all([
    toReadResult(cluster.listServiceMonitors()),
    toReadResult(cluster.listNetworkPolicies()),
    ...programs.map(({ pod, port }) =>
      pod === undefined
        ? { unknown: 'no running pod' }
        : toReadResult(cluster.readMetrics(String(toMapping(pod['metadata'])['name']), port)),
    ),
  ]);
  return {
    programs: programs.map(({ name, port }, at) => ({
      name,
      port,
      metrics: metrics[at] ?? { unknown: 'no running pod' },
    })),
    monitors: 'unknown' in pods ? pods : monitors,
    networkPolicies,
  };
};
