import { parseApproval, parseApprovalRequest } from '../../approvals/approval-objects.ts';
import {
  APPROVAL_REQUESTS,
  APPROVALS,
  POD_UID_LABEL,
  REQUEST_LABEL,
  type Approval,
  type ApprovalRequest,
} from '../../contract/approvals.ts';
import type { ApprovalStore } from '../../exchange/approval-question.ts';
import type { ApiClient } from './api-client.ts';
import { createCustomResourceClient } from './custom-resources.ts';

const REQUEST = { kind: 'ApprovalRequest', plural: APPROVAL_REQUESTS } as const;
const APPROVAL = { kind: 'Approval', plural: APPROVALS } as const;

export type ApprovalObjects = ApprovalStore & {
  /** Requests of every namespace. */
  readonly listAllRequests: () => Promise<readonly ApprovalRequest[]>;
};

/**
 * Creates the store of ApprovalRequests and Approvals. It reads from the API server's storage, never from a
 * cache.
 *
 * @param now wall-clock milliseconds since the epoch
 * @returns every function throws KubernetesError
 */
export const createApprovalStore = (calls: ApiClient, now: () => number): ApprovalObjects => {
  const requests = (namespace?: string) => createCustomResourceClient(calls, REQUEST, namespace);
  const listParsed = async (namespace?: string): Promise<readonly ApprovalRequest[]> =>
    (await requests(namespace).list()).items.flatMap(readRequest);
  return {
    readRequest: async ({ namespace, name }) => {
      const found = await requests(namespace).read(name);
      return found === undefined ? undefined : requireRequest(found);
    },
    createRequest: ({ namespace, name }, spec) =>
      requests(namespace).create(name, spec, {
        labels: { [POD_UID_LABEL]: spec.requester.podUid },
      }),
    removeRequest: async ({ namespace, name, uid }) => {
      await requests(namespace).remove(name, uid);
    },
    listRequests: (namespace) => listParsed(namespace),
    listAllRequests: () => listParsed(),
    listApprovals: async ({ namespace, name }) => {
      const all = createCustomResourceClient(calls, APPROVAL, namespace);
      return (await all.list(`${REQUEST_LABEL}=${name}`)).items.flatMap(readApproval);
    },
    setState: async ({ namespace, name, uid }, state) => {
      const found = await requests(namespace).read(name);
      if (found?.metadata.uid !== uid) return;
      const { resourceVersion } = found.metadata;
      const status = { state, since: new Date(now()).toISOString() };
      await requests(namespace).writeStatus({ name, resourceVersion, status });
    },
  };
};

const readRequest = (found: unknown): readonly ApprovalRequest[] => {
  const parsed = parseApprovalRequest(found);
  return parsed.ok ? [parsed.value] : [];
};

const readApproval = (found: unknown): readonly Approval[] => {
  const parsed = parseApproval(found);
  return parsed.ok ? [parsed.value] : [];
};

/** Only the authority writes requests: another form is one of a later version. */
const requireRequest = (found: unknown): ApprovalRequest => {
  const parsed = parseApprovalRequest(found);
  if (parsed.ok) return parsed.value;
  throw new Error('approvalrequests: expected a request of this version, got another form');
};
