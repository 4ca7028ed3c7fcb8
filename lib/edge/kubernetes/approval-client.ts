import { parseApproval, parseApprovalRequest } from '../../approvals/approval-objects.ts';
import { API_GROUP, API_VERSION } from '../../contract/authority-api.ts';
import {
  APPROVAL_REQUESTS,
  APPROVALS,
  REQUEST_LABEL,
  type Approval,
  type ApprovalRequest,
  type ApprovalSpec,
} from '../../contract/approvals.ts';
import type { ApiClient } from './api-client.ts';
import { createCustomResourceClient } from './custom-resources.ts';

const REQUEST = { kind: 'ApprovalRequest', plural: APPROVAL_REQUESTS } as const;
const APPROVAL = { kind: 'Approval', plural: APPROVALS } as const;

/** What a person who decides asks of the API server. Every function throws KubernetesError. */
export type ApprovalClient = {
  /** Of one namespace, or of every one. */
  readonly list: (namespace?: string) => Promise<readonly ApprovalRequest[]>;
  readonly read: (namespace: string, name: string) => Promise<ApprovalRequest | undefined>;
  /** What people decided about exactly this object. */
  readonly listDecisions: (request: ApprovalRequest) => Promise<readonly Approval[]>;
  /** The Approval is deleted with its request. `exists`: the name is in use. */
  readonly decide: (
    request: ApprovalRequest,
    approval: { readonly name: string; readonly spec: ApprovalSpec },
  ) => Promise<'created' | 'exists'>;
};

export const createApprovalClient = (calls: ApiClient): ApprovalClient => ({
  list: async (namespace) =>
    (await createCustomResourceClient(calls, REQUEST, namespace).list()).items.flatMap(parse),
  read: async (namespace, name) =>
    parse(await createCustomResourceClient(calls, REQUEST, namespace).read(name))[0],
  listDecisions: async ({ namespace, name, uid }) => {
    const all = createCustomResourceClient(calls, APPROVAL, namespace);
    return (await all.list(`${REQUEST_LABEL}=${name}`)).items
      .map(parseApproval)
      .flatMap((parsed) =>
        parsed.ok && parsed.value.spec.request.uid === uid ? [parsed.value] : [],
      );
  },
  decide: ({ namespace, name: request, uid }, { name, spec }) => {
    const owner = { apiVersion: `${API_GROUP}/${API_VERSION}`, kind: REQUEST.kind };
    return createCustomResourceClient(calls, APPROVAL, namespace).create(name, spec, {
      labels: { [REQUEST_LABEL]: request },
      ownerReferences: [{ ...owner, name: request, uid }],
    });
  },
});

const parse = (found: unknown): readonly ApprovalRequest[] => {
  const parsed = parseApprovalRequest(found);
  return parsed.ok ? [parsed.value] : [];
};
