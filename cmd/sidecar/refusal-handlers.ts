import { MAX_PROPOSAL_REASON_LENGTH, type ProposalRequest } from '../../lib/contract/proposals.ts';
import { readLocalJsonBody } from '../../lib/edge/http/local-body.ts';
import type { RefusalMemory } from '../../lib/runs/refusal-memory.ts';
import {
  buildBadRequestRefusal,
  nothingToPropose,
  proposalsUnsupported,
  refusalUnknown,
} from '../../lib/runs/request-refusals.ts';
import { toRunRefusal, type RunRefusal } from '../../lib/runs/run-refusal.ts';
import { object, read, string } from '../../lib/schema/reader.ts';
import { CONNECTION_CLOSE, type Responses, type RouteRequest } from './responses.ts';

/** Sends a proposal to the authority. @returns its name @throws ExchangeError */
export type Propose = (proposal: ProposalRequest) => Promise<string>;

export type RefusalHandlerDeps = {
  readonly refusals: Pick<RefusalMemory, 'find'>;
  /** Absent under `trust: cluster`. */
  readonly propose?: Propose | undefined;
  readonly responses: Pick<Responses, 'json' | 'refusal'>;
};

type Caller = { readonly consumer: string; readonly name: string };

const proposalBody = object({
  refusal: string({ expected: 'the ID of a refusal', pattern: /^[A-Za-z0-9_-]{1,64}$/ }),
  reason: {
    optional: string({
      expected: `1 to ${MAX_PROPOSAL_REASON_LENGTH} characters`,
      pattern: /^[^]+$/,
      maxLength: MAX_PROPOSAL_REASON_LENGTH,
    }),
  },
});

/** Creates the handlers of refusals, and of what a consumer proposes because of one. */
export const createRefusalHandlers = ({ refusals, propose, responses }: RefusalHandlerDeps) => ({
  showRefusal: (request: RouteRequest, { consumer, name }: Caller): void => {
    const found = refusals.find(consumer, name);
    if (found === undefined) {
      responses.refusal(request, refusalUnknown);
      return;
    }
    const { code, message, approval, proposal } = found;
    const body = JSON.stringify({ code, message, approval, proposal });
    responses.json(request, 200, Buffer.from(body));
  },
  propose: async (request: RouteRequest, { consumer }: Caller): Promise<void> => {
    const body = await readLocalJsonBody(request.request);
    if (body.kind === 'refusal') {
      responses.refusal(request, body, CONNECTION_CLOSE);
      return;
    }
    if (propose === undefined) {
      responses.refusal(request, proposalsUnsupported);
      return;
    }
    const wanted = buildProposal(body.value, consumer, refusals);
    if ('kind' in wanted) {
      responses.refusal(request, wanted);
      return;
    }
    try {
      const proposed = JSON.stringify({ name: await propose(wanted) });
      responses.json(request, 201, Buffer.from(proposed));
    } catch (thrown) {
      responses.refusal(request, toRunRefusal(thrown));
    }
  },
});

/** An agent names a refusal, and nothing else: it cannot make one up. */
const buildProposal = (
  body: unknown,
  consumer: string,
  refusals: Pick<RefusalMemory, 'find'>,
): ProposalRequest | RunRefusal => {
  const given = read(proposalBody, body);
  if (!given.ok) return buildBadRequestRefusal(given.faults);
  const { refusal, reason } = given.value;
  const found = refusals.find(consumer, refusal);
  if (found === undefined) return refusalUnknown;
  if (found.proposal === undefined) return nothingToPropose;
  const { task, allow } = found.proposal;
  return { consumer, task, allow, ...(reason !== undefined && { reason }) };
};
