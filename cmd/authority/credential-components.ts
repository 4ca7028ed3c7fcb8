import type { Provider } from '../../lib/contract/task.ts';
import { isCloudAddress } from '../../lib/edge/http/address-check.ts';
import type { SendToEndpoint } from '../../lib/edge/http/https-client.ts';
import { createCheckedLookup } from '../../lib/edge/http/upstream-connector.ts';
import { createAdminSessions } from '../../lib/edge/postgres/admin-session.ts';
import type { IssueCredentials } from '../../lib/exchange/authorized-run.ts';
import type { Caller } from '../../lib/exchange/caller.ts';
import { createReleaseSeals } from '../../lib/upstreams/release-seal.ts';
import { buildSharedDeps, type ComponentDeps } from './component-deps.ts';
import type { AuthorityConfig } from './config.ts';
import { startDatabaseRoles, type DatabaseRoles } from './database-roles.ts';
import { createDatabaseIssue, createDatabaseSessions } from './database-runs.ts';
import type { Issuer } from './issuer.ts';
import { createRunRoleReader } from './run-end.ts';
import { createSecretReleases, type SecretReleases } from './secret-releases.ts';
import { createSecretSources } from './secret-sources.ts';
import { createHttpIssue } from './upstream-secrets.ts';
import type { Watches } from './watches.ts';

/** Where the credentials of runs come from, and what ends them afterwards. */
export type CredentialSources = {
  readonly issueCredentials: IssueCredentials;
  readonly databaseRoles: DatabaseRoles;
  readonly releases: SecretReleases;
};

type SourceDeps = {
  readonly watches: Watches;
  readonly issuer: Issuer;
  readonly send: SendToEndpoint;
};

/** Starts the sources of all providers: the cloud, and the secrets and databases of Upstreams. */
export const startCredentialSources = (
  config: AuthorityConfig,
  deps: ComponentDeps,
  { watches, issuer, send }: SourceDeps,
): CredentialSources => {
  const { issueHttp, releases } = createSecrets(config, deps, { watches, issuer, send });
  const { issueDatabase, databaseRoles } = startDatabases(config, deps, watches);
  const issue = chooseSource({
    aws: issuer.cloud.issueCredentials,
    http: issueHttp,
    postgres: issueDatabase,
  });
  return {
    issueCredentials: deps.tracing.wrap('exchange.issue', issue),
    databaseRoles,
    releases,
  };
};

/** The provider of the task decides where the run's credentials come from. */
const chooseSource =
  (sources: Record<Provider, IssueCredentials>): IssueCredentials =>
  (run) =>
    sources[run.task.provider](run);

/** All that a database server needs of the authority: sessions of its admin role, and ends of runs. */
const startDatabases = (
  { platform }: AuthorityConfig,
  deps: ComponentDeps,
  { upstreams, revocations }: Watches,
): { readonly issueDatabase: IssueCredentials; readonly databaseRoles: DatabaseRoles } => {
  const { cluster, metrics, isAllowedAddress = isCloudAddress } = deps;
  const { readSourceSecret } = cluster;
  const { listDatabases, subscribe: subscribeUpstreams } = upstreams;
  const lookup = createCheckedLookup({ isAllowedAddress });
  const connectAdmin = createAdminSessions({ isAllowedAddress, lookup });
  const connectDatabase = createDatabaseSessions({ readSourceSecret, connectAdmin });
  const readRoles = async (caller: Caller): Promise<readonly string[]> => {
    const all = listDatabases().map(({ name }) => `${name}/`);
    return createRunRoleReader(cluster.identity.readPod, all)(caller);
  };
  const { maxLifetimeSeconds } = platform.tasks;
  const shared = { ...buildSharedDeps(deps), metrics, maxLifetimeSeconds };
  const databaseRoles = startDatabaseRoles({
    ...shared,
    listDatabases,
    subscribeUpstreams,
    connectDatabase,
    revocations,
    readRoles,
  });
  const issueDatabase = createDatabaseIssue({
    connectDatabase,
    now: deps.clock.now,
  });
  return { issueDatabase, databaseRoles };
};

/** The secrets of Upstreams: what fetches them for runs, and what revokes them afterwards. */
const createSecrets = (
  { platform: { authority } }: AuthorityConfig,
  deps: ComponentDeps,
  { watches: { upstreams }, issuer, send }: SourceDeps,
) => {
  const { cluster, clock, metrics, prerequisites } = deps;
  const { readSourceSecret } = cluster;
  const sources = createSecretSources({ readSourceSecret, send, metrics, now: clock.now });
  const { seal, open } = createReleaseSeals(prerequisites.auditKeys.runs);
  const shared = { ...buildSharedDeps(deps), sources, sign: issuer.keys.sign, authority };
  return {
    issueHttp: createHttpIssue({ ...shared, seal, now: clock.now }),
    releases: createSecretReleases({
      ...shared,
      metrics,
      open,
      findUpstream: upstreams.get,
      pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms).unref()),
    }),
  };
};
