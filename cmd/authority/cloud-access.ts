import type { Clock } from '../../lib/contract/clock.ts';
import type { CloudCredentials } from '../../lib/contract/exchange.ts';
import type { CloudSettings } from '../../lib/contract/platform.ts';
import { createAuditUploader, type UploadAuditObject } from '../../lib/edge/aws/audit-bucket.ts';
import { createDocumentPublisher } from '../../lib/edge/aws/issuer-bucket.ts';
import { createRolePolicyClient } from '../../lib/edge/aws/role-policies.ts';
import type { AssumeRole } from '../../lib/edge/aws/sts-call.ts';
import { createStsClient } from '../../lib/edge/aws/sts-client.ts';
import {
  createOwnRoleAssumption,
  createRoleAssumption,
  type OwnCredentials,
  type OwnRole,
} from '../../lib/edge/aws/role-assumption.ts';
import type { Tracing } from '../../lib/edge/telemetry/tracing.ts';
import { createUpstreamClient } from '../../lib/edge/http/upstream-client.ts';
import { DOCUMENTS_MAX_AGE_SECONDS } from '../../lib/grant/grant-times.ts';
import type { GrantKeyStore } from '../../lib/grant/grant-keys.ts';
import { requireRoleArn } from '../../lib/schema/arn.ts';
import type { IssueCredentials } from '../../lib/exchange/authorized-run.ts';
import type { AuthorityConfig } from './config.ts';
import type { DenyListWriterDeps } from './deny-list-writer.ts';
import type { IssuerPublisherDeps } from './issuer-publisher.ts';

export type CloudAccess = {
  readonly issueCredentials: IssueCredentials;
  /** Writes with the `revoker` role; absent if no role opts in. */
  readonly writeDenyList?: DenyListWriterDeps['write'];
  /** Writes with the `publisher` role; absent if the documents are published by other means. */
  readonly publish?: IssuerPublisherDeps['publish'];
  /** Uploads with the `publisher` role; absent if audit files are not exported. */
  readonly uploadAuditFile?: UploadAuditObject;
};

/** Endpoints of STS are the platform's choice: a private cloud may have any address. */
const POOL_DEPS = { isAllowedAddress: () => true };

export type CloudDeps = {
  readonly keys: Pick<GrantKeyStore, 'sign' | 'refresh'>;
  readonly reportSkew: (skewMs: number) => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly tracing: Pick<Tracing, 'wrap' | 'headers'>;
};

/** Name of our inline policy on the roles that opt in. */
const DENY_LIST_POLICY_NAME = 'valetkey-ended-runs';

/** The authority's calls to the cloud; each uses a grant that the authority signs for it. */
export const createCloudAccess = (
  { platform }: Pick<AuthorityConfig, 'platform'>,
  { keys, ...cloudDeps }: CloudDeps,
): CloudAccess => {
  const { cloud, authority } = platform;
  const deps = {
    ...cloudDeps,
    assumeRole: createTracedStsClient(cloud, cloudDeps.tracing),
    sign: keys.sign,
    refreshKeys: keys.refresh,
    cloud,
    authority,
  };
  const issueCredentials = createRoleAssumption(deps);
  const issueOwnCredentials = createOwnRoleAssumption(deps);
  const ownKeys = (role: OwnRole) =>
    createOwnCredentialSource({
      role,
      issueCredentials: issueOwnCredentials,
      clock: cloudDeps.clock,
    });
  const { denyList, publisher, auditExport } = authority;
  return {
    issueCredentials,
    ...(denyList !== undefined && {
      writeDenyList: createRolePolicyWriter(
        { ...cloud, ...toEndpoint(denyList.iamEndpoint) },
        ownKeys({ name: 'revoker', role: denyList.revokerRole }),
      ),
    }),
    ...(publisher !== undefined && {
      publish: createDocumentWriter(
        { ...cloud, ...toEndpoint(publisher.s3Endpoint) },
        { ...publisher, ownKeys: ownKeys({ name: 'publisher', role: publisher.role }) },
      ),
    }),
    ...(auditExport !== undefined && {
      uploadAuditFile: createAuditFileUpload(
        {
          ...cloud,
          ...toEndpoint(auditExport.endpoint),
          region: auditExport.region ?? cloud.region,
        },
        { ...auditExport, ownKeys: ownKeys({ name: 'publisher', role: auditExport.role }) },
      ),
    }),
  };
};

/** STS gets the context of the trace, which says nothing about who asks. */
const createTracedStsClient = (
  cloud: CloudSettings,
  { wrap, headers }: CloudDeps['tracing'],
): AssumeRole => {
  const { send } = createUpstreamClient(cloud, POOL_DEPS);
  const assumeRole = createStsClient(cloud, {
    send: (request) =>
      send({ ...request, headers: new Map([...request.headers, ...Object.entries(headers())]) }),
  });
  return wrap('sts.assume_role', assumeRole, 'client');
};

type Endpoint = Parameters<typeof createRolePolicyClient>[0];
type OwnCredentialSource = ReturnType<typeof createOwnCredentialSource>;

const toEndpoint = (endpoint: string | undefined) => (endpoint === undefined ? {} : { endpoint });

const createRolePolicyWriter =
  (settings: Endpoint, ownKeys: OwnCredentialSource): DenyListWriterDeps['write'] =>
  async (role, policy, signal) => {
    const policies = createRolePolicyClient(settings, await ownKeys(signal));
    const name = { roleName: requireRoleArn(role).name, policyName: DENY_LIST_POLICY_NAME };
    await (policy === undefined
      ? policies.remove(name, signal)
      : policies.put(name, policy, signal));
  };

const createDocumentWriter =
  (
    settings: Endpoint,
    { bucket, prefix, ownKeys }: { bucket: string; prefix: string; ownKeys: OwnCredentialSource },
  ): IssuerPublisherDeps['publish'] =>
  async (documents, signal) => {
    const options = { bucket, prefix, maxAgeSeconds: DOCUMENTS_MAX_AGE_SECONDS };
    await createDocumentPublisher(settings, await ownKeys(signal), options)(documents, signal);
  };

const createAuditFileUpload =
  (
    settings: Endpoint,
    { bucket, ownKeys }: { bucket: string; ownKeys: OwnCredentialSource },
  ): UploadAuditObject =>
  async (object, signal = new AbortController().signal) =>
    createAuditUploader(settings, await ownKeys(signal), { bucket })(object, signal);

/** A call that starts just before the renewal still completes with the old credentials. */
const MARGIN_MS = 60_000;

/**
 * Creates the source of credentials of one of the authority's own roles: exchanged on demand, cached
 * until a minute before they expire.
 *
 * @returns throws ExchangeError
 */
export const createOwnCredentialSource = ({
  role,
  issueCredentials,
  clock,
}: {
  readonly role: OwnRole;
  readonly issueCredentials: (role: OwnRole, signal: AbortSignal) => Promise<OwnCredentials>;
  readonly clock: Pick<Clock, 'now'>;
}): ((signal: AbortSignal) => Promise<CloudCredentials>) => {
  let cached: OwnCredentials | undefined;
  return async (signal) => {
    if (cached === undefined || cached.expiresAt - MARGIN_MS <= clock.now()) {
      cached = await issueCredentials(role, signal);
    }
    return cached.keys;
  };
};
