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
type Answer<T extends object> = (JsonResponse & { readonly body: T }) | { readonly error: unknown };

const createAnswer =
  <T extends object>(
    kind: RefusedCall['kind'],
    decide: (call: Call, context: RunReportContext, deps: OversightRouteDeps) => Promise<T>,
  ) =>
  async (call: Call, deps: OversightRouteDeps): Promise<Answer<T>> => {
    const context: RunReportContext = {};
    try {
      return { status: 200, body: await decide(call, context, deps) };
    } catch (error) {
      return { error: await recordRefusedCall(error, { kind, ...context }, deps) };
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
