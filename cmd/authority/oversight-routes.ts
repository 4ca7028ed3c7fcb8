import type { JsonResponse } from '../../lib/edge/http/json-response.ts';
import type { Call } from '../../lib/exchange/caller.ts';
import {
  recordRefusedCall,
  type RefusalRecordDeps,
  type RefusedCall,
} from '../../lib/exchange/exchange-records.ts';
import { mintDelegation, type DelegationDeps } from '../../lib/exchange/delegation-request.ts';
import { createProposal, type ProposalDeps } from '../../lib/exchange/proposal-request.ts';
import { decideGatedCall, type GatedCallDeps } from '../../lib/exchange/gated-call-request.ts';
import { redecideRun, type RedecisionDeps } from '../../lib/exchange/run-redecision.ts';
import type { RunReportContext } from '../../lib/exchange/run-report.ts';

/** What the routes need that decide about runs that exist, by their tickets. */
export type OversightRouteDeps = RedecisionDeps &
  GatedCallDeps &
  DelegationDeps &
  ProposalDeps &
  RefusalRecordDeps;

/** A response, or the error that the caller renders. Only refusals are recorded: allowed calls are in the journal. */
export type Answer<T extends object> = (
  (JsonResponse & { readonly body: T }) | { readonly error: unknown }
) & {
  /** Of the ticket, once it is verified. */
  readonly run: string | undefined;
};

const createAnswer =
  <T extends object>(
    kind: RefusedCall['kind'],
    decide: (call: Call, context: RunReportContext, deps: OversightRouteDeps) => Promise<T>,
  ) =>
  async (call: Call, deps: OversightRouteDeps): Promise<Answer<T>> => {
    const context: RunReportContext = {};
    try {
      const body = await decide(call, context, deps);
      return { status: 200, body, run: context.run };
    } catch (error) {
      const refused = await recordRefusedCall(error, { kind, ...context }, deps);
      return { error: refused, run: context.run };
    }
  };

/** Decides again about a run. */
export const answerRedecision = createAnswer('run.redecided', redecideRun);

/** Mints a handle with which another workload may start one run. */
export const answerDelegation = createAnswer('delegation.refused', mintDelegation);

/** Writes a proposal down for people. */
export const answerProposal = createAnswer('proposal.refused', createProposal);

/** Decides about one call. */
export const answerGatedCall = createAnswer('call.refused', async (call, context, deps) => {
  await decideGatedCall(call, context, deps);
  return {};
});
