import { parseTaskProposal } from '../../approvals/proposal-objects.ts';
import { POD_UID_LABEL } from '../../contract/approvals.ts';
import { TASK_PROPOSALS, type TaskProposal } from '../../contract/proposals.ts';
import type { ProposalStore } from '../../exchange/proposal-request.ts';
import type { ApiClient } from './api-client.ts';
import { createCustomResourceClient } from './custom-resources.ts';

const PROPOSAL = { kind: 'TaskProposal', plural: TASK_PROPOSALS } as const;

/** TaskProposals, for the authority and for people. Every function throws KubernetesError. */
export type ProposalObjects = ProposalStore & {
  /** Of every namespace. */
  readonly listAll: () => Promise<readonly TaskProposal[]>;
  /** Undefined: it does not exist, or has another form. */
  readonly read: (namespace: string, name: string) => Promise<TaskProposal | undefined>;
  /** Deletes the object of this UID. */
  readonly dismiss: (
    proposal: Pick<TaskProposal, 'namespace' | 'name' | 'uid'>,
  ) => Promise<'removed' | 'gone'>;
};

/** Creates the store. It reads from the API server's storage, never from a cache. */
export const createProposalStore = (calls: ApiClient): ProposalObjects => {
  const proposals = (namespace?: string) => createCustomResourceClient(calls, PROPOSAL, namespace);
  const list = async (namespace?: string): Promise<readonly TaskProposal[]> =>
    (await proposals(namespace).list()).items.flatMap(parse);
  const dismiss: ProposalObjects['dismiss'] = ({ namespace, name, uid }) =>
    proposals(namespace).remove(name, uid);
  return {
    list,
    listAll: () => list(),
    read: async (namespace, name) => parse(await proposals(namespace).read(name))[0],
    create: ({ namespace, name }, spec) =>
      proposals(namespace).create(name, spec, {
        labels: { [POD_UID_LABEL]: spec.requester.podUid },
      }),
    remove: async (proposal) => {
      await dismiss(proposal);
    },
    dismiss,
  };
};

const parse = (found: unknown): readonly TaskProposal[] => {
  const parsed = parseTaskProposal(found);
  return parsed.ok ? [parsed.value] : [];
};
