import { randomUUID } from 'node:crypto';

import type { LoadCatalog } from '../catalog/catalog.ts';
import {
  JWT_TYPE,
  MAX_CALL_ARGUMENT_LENGTH,
  MAX_CALL_ARGUMENTS,
  MAX_CONTENT_FIELDS,
  MAX_CONTENT_NAME_LENGTH,
  MAX_CONTENT_VALUE_LENGTH,
  MAX_GATED_CALL_LENGTH,
  MAX_GATED_TEXT_LENGTH,
  type CallContent,
  type GatedCall,
} from '../contract/authority-api.ts';
import type { PolicyCall } from '../policy/call-decision.ts';
import type { AskedDecision } from '../policy/approval-demand.ts';
import type { PolicyDecision, RunPolicyRequest } from '../policy/decision.ts';
import { getPairLevel } from '../policy/upstream-levels.ts';
import {
  integer,
  list,
  object,
  record,
  refine,
  rejectValue,
  string,
  type Reader,
} from '../schema/reader.ts';
import { readService } from '../task/action.ts';
import { obtainApproval } from './act-approval.ts';
import type { ApprovalDeps } from './approval-question.ts';
import { describeAskedCall, type DescribedCall } from './asked-acts.ts';
import type { Call } from './caller.ts';
import type { Canaries } from './canaries.ts';
import { readForm, redactedEnum, token } from './form-reader.ts';
import type { PolicyRequestDeps } from './request-authorization.ts';
import type { RunReportContext } from './run-report.ts';
import type { TokenEndpointDeps } from './token-endpoint.ts';
import {
  ticket,
  toTicketPolicyRequest,
  verifyTicket,
  type TicketCheckDeps,
  type TicketedRun,
} from './ticket-check.ts';
import { newMalformedError, RequestError } from './token-refusal.ts';

export type GatedCallDeps = TicketCheckDeps &
  PolicyRequestDeps & {
    /** By the current policies. @throws RequestError `policy_unavailable` */
    readonly decideCall: (request: RunPolicyRequest, call: PolicyCall) => Promise<AskedDecision>;
    readonly approvals: ApprovalDeps;
    readonly canaries: Pick<Canaries, 'findTouched' | 'touch'>;
    readonly emitPodEvent: TokenEndpointDeps['emitPodEvent'];
    readonly loadCatalog: LoadCatalog;
  };

const text = string({
  expected: `text of at most ${MAX_GATED_TEXT_LENGTH} characters`,
  maxLength: MAX_GATED_TEXT_LENGTH,
});

const argumentTexts = refine(
  record(
    text,
    string({
      expected: `text of at most ${MAX_CALL_ARGUMENT_LENGTH} characters`,
      maxLength: MAX_CALL_ARGUMENT_LENGTH,
    }),
  ),
  (given) =>
    Object.keys(given).length <= MAX_CALL_ARGUMENTS
      ? undefined
      : `at most ${MAX_CALL_ARGUMENTS} strings`,
);

const content: Reader<CallContent> = object({
  sha256: string({ expected: 'a SHA-256 in hex', pattern: /^[0-9a-f]{64}$/ }),
  fields: list(
    object({
      name: string({
        expected: `text of at most ${MAX_CONTENT_NAME_LENGTH} characters`,
        maxLength: MAX_CONTENT_NAME_LENGTH,
      }),
      value: string({
        expected: `text of at most ${MAX_CONTENT_VALUE_LENGTH} characters`,
        maxLength: MAX_CONTENT_VALUE_LENGTH,
      }),
    }),
    { max: MAX_CONTENT_FIELDS },
  ),
});

const gatedCall: Reader<GatedCall> = object({
  operation: text,
  permissions: list(object({ action: text, resource: { optional: text } }), { min: 1, max: 256 }),
  bytes: { optional: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }) },
  arguments: { optional: argumentTexts },
  content: { optional: content },
});

const callJson: Reader<GatedCall> = (given, path, faults) => {
  if (typeof given === 'string' && given.length <= MAX_GATED_CALL_LENGTH) {
    try {
      return gatedCall(JSON.parse(given), path, faults);
    } catch {
      // Not JSON: rejected below.
    }
  }
  const expected = `JSON of at most ${MAX_GATED_CALL_LENGTH} characters`;
  return rejectValue(faults, { path, expected, value: undefined });
};

const FIELDS = {
  subject_token: token,
  subject_token_type: { optional: redactedEnum([JWT_TYPE]) },
  ticket,
  call: callJson,
  attempt: { optional: string({ expected: 'a name', pattern: /^[\w-]{1,64}$/ }) },
} as const;

const fields = object(FIELDS);

/**
 * Decides about one call that a gate asks about. That it is within its task was decided by the sidecar. A call that
 * people have to approve is allowed once after they did.
 *
 * @param context filled in step by step
 * @throws RequestError `call_denied`, `approval_…`, and what `verifyTicket` throws; AuditError
 */
export const decideGatedCall = async (
  { form, peer }: Call,
  context: RunReportContext,
  deps: GatedCallDeps,
): Promise<void> => {
  const request = readForm(form, { names: Object.keys(FIELDS), reader: fields });
  if (!request.ok) throw newMalformedError('request_malformed', request.faults);
  const { subject_token: podToken, ticket: sealed, call, attempt } = request.value;
  const { claims, caller } = await verifyTicket({ podToken, ticket: sealed, peer }, context, deps);
  await refuseCanaryCall(call, { claims, caller }, deps.canaries);
  // People approved the run, which says nothing about one call of it.
  const question = toTicketPolicyRequest({ ...claims, approvals: [] }, deps);
  const pairs = await addAccessLevels(call, question, deps.loadCatalog);
  const decide = (approvals: readonly string[]): Promise<AskedDecision> =>
    deps.decideCall({ ...question, approvals }, { ...call, pairs });
  const { decision, demand } = await decide([]);
  context.decision = decision;
  if (decision.outcome === 'allow') return;
  if (demand === undefined) throw newDeniedError(decision);
  const act = describeAskedCall(requireContent(call, decision), claims);
  const { namespace, pod } = caller;
  const event = { namespace, pod, reason: 'RunRefused', code: 'approval_pending' } as const;
  const onAsked = (message: string): void =>
    deps.emitPodEvent({
      ...event,
      message: `task ${claims.task.name}: approval_pending: ${message}`,
    });
  const asked = { act, demand, attempt: attempt ?? randomUUID(), onAsked };
  const { groups, use } = await obtainApproval(asked, deps.approvals);
  const approved = await decide(groups);
  context.decision = approved.decision;
  if (approved.decision.outcome !== 'allow') throw newDeniedError(approved.decision);
  await use();
};

/** The sidecar has refused it; an answer other than a refusal would have it report again. */
const refuseCanaryCall = async (
  { permissions }: GatedCall,
  { claims, caller }: Pick<TicketedRun, 'claims' | 'caller'>,
  canaries: GatedCallDeps['canaries'],
): Promise<void> => {
  const permission = canaries.findTouched(permissions);
  if (permission === undefined) return;
  const { task, run, consumer, chain } = claims;
  await canaries.touch({ caller, task: task.name, consumer, run, claims, chain, permission });
  throw new RequestError('call_denied', 'the call is outside of its task');
};

const newDeniedError = ({ policies, reasons }: PolicyDecision): RequestError =>
  new RequestError('call_denied', reasons.join('\n'), { policies });

const requireContent = (
  { content: known, ...call }: GatedCall,
  { policies }: PolicyDecision,
): DescribedCall => {
  if (known !== undefined) return { ...call, content: known };
  const message = 'expected the hash of the body: people approve one exact call';
  throw new RequestError('approval_needs_hash', message, { policies });
};

/** An action that the catalog does not know has unknown access levels, so that forbids of any level hold. */
const addAccessLevels = async (
  { permissions }: GatedCall,
  { upstream, task: { role } }: RunPolicyRequest,
  loadCatalog: LoadCatalog,
): Promise<PolicyCall['pairs']> => {
  const services = new Set(permissions.flatMap(({ action }) => readService(action) ?? []));
  const catalog = upstream === undefined ? await loadCatalog(services) : undefined;
  return permissions.map(({ action: name, resource }) => {
    if (upstream !== undefined) {
      const levels =
        resource === undefined
          ? {}
          : { accessLevels: [getPairLevel(upstream, { role, action: name, resource })] };
      return { action: { name, ...levels }, resource };
    }
    const found = catalog?.find(name);
    const [action] = found?.known === true ? found.actions : [];
    return { action: action?.name === name ? action : { name }, resource };
  });
};
