import type { CallContent } from '../contract/authority-api.ts';
import { ExchangeError } from '../contract/exchange.ts';
import type { Operation } from '../operations/operation.ts';
import type { CallAuthorization } from './call-authorization.ts';
import type { CallRefusal } from './call-refusals.ts';
import type { CallRun } from './call-runs.ts';
import { buildGatedCall, listArguments, matchGates, type DecideCall } from './gates.ts';

export type GateCheckDeps = {
  /** Asks the authority; absent without one, which makes no gates. */
  readonly decideCall?: DecideCall | undefined;
};

/** The body of a call, as far as it is known before it is passed on. */
export type BodyFacts = {
  readonly bytes: number | undefined;
  readonly contentType?: string | undefined;
  readonly body?: Uint8Array | undefined;
  /** What people would approve; undefined: the body was not read. */
  readonly describe?: () => CallContent | undefined;
  /** Reads the body, so that it can be described; undefined: it is too large. */
  readonly readContent?: () => Promise<CallContent | undefined>;
  /** A later step of the same act is asked about; this one changes nothing. */
  readonly isPreparing?: boolean;
};

/** A call or session that is within its task. */
export type GatedRecord = {
  readonly id: string;
  readonly authorization?: Pick<CallAuthorization, 'permissions'>;
  readonly operation?: Pick<Operation, 'service' | 'name'>;
};

/** How one call waits for the authority. */
export type GateWaits = {
  readonly wait?: (answer: Promise<void>) => Promise<void>;
  /** Names the try of the call; default: its record. */
  readonly beginAttempt?: (content: CallContent | undefined) => string;
  /** What ends the wait; default: the end of the run. Called only if the authority is asked. */
  readonly watchEnd?: () => AbortSignal;
};

/**
 * Creates what applies the gates of a run: policies about calls refuse a call here, or the authority decides.
 *
 * @returns why the call is refused, or undefined
 */
export const createGateCheck = ({ decideCall }: GateCheckDeps) => {
  /** Without the content, people cannot be asked: the body is read only if they have to be. */
  const ask = async (
    decide: (content: CallContent | undefined) => Promise<void>,
    { describe, readContent }: BodyFacts,
  ): Promise<void> => {
    const content = describe?.();
    try {
      await decide(content);
    } catch (thrown) {
      const isNeeded = thrown instanceof ExchangeError && thrown.code === 'approval_needs_hash';
      const read = isNeeded && content === undefined ? await readContent?.() : undefined;
      if (read === undefined) throw thrown;
      await decide(read);
    }
  };

  const decide = async (
    { id, authorization, operation }: GatedRecord,
    run: CallRun,
    facts: BodyFacts & GateWaits,
  ): Promise<CallRefusal | undefined> => {
    const { gates = [], ticket } = run.oversight ?? {};
    if (gates.length === 0) return undefined;
    const { denied, asked } = matchGates(authorization?.permissions ?? [], gates);
    if (denied !== undefined) {
      return { code: 'call_denied', message: `forbidden by ${denied.policies.join(', ')}` };
    }
    if (asked.length === 0 || facts.isPreparing === true) return undefined;
    if (decideCall === undefined || ticket === undefined) {
      const message = 'a policy about calls cannot be decided';
      return { code: 'authority_unreachable', message };
    }
    const { bytes, contentType, body, wait = (answer: Promise<void>) => answer } = facts;
    const { service = '', name = '' } = operation ?? {};
    const given = bytes === 0 ? {} : listArguments(contentType, body);
    const signal = facts.watchEnd?.() ?? run.signal;
    const decideWith = (content: CallContent | undefined): Promise<void> => {
      const call = buildGatedCall(asked, {
        operation: `${service}:${name}`,
        bytes,
        arguments: given,
        content,
      });
      const attempt = facts.beginAttempt?.(content) ?? id;
      return wait(decideCall({ ticket, call, attempt, signal }));
    };
    try {
      await ask(decideWith, facts);
    } catch (thrown) {
      if (run.signal.aborted) return run.signal.reason as CallRefusal;
      if (thrown instanceof ExchangeError) return toCallRefusal(thrown);
      throw thrown;
    }
    // It may have ended while the authority was asked.
    return run.signal.aborted ? (run.signal.reason as CallRefusal) : undefined;
  };

  // Meanwhile, another call may have closed the gateway.
  return async (...given: Parameters<typeof decide>): Promise<CallRefusal | undefined> =>
    (await decide(...given)) ?? given[1].findClosure?.();
};

/** Other refusals are about the request: an expired token, or a replica of an older version. */
const CALL_CODES: ReadonlyMap<string, CallRefusal['code']> = new Map([
  ['call_denied', 'call_denied'],
  ['revoked', 'run_revoked'],
  ['ticket_foreign', 'call_denied'],
  ['ticket_invalid', 'call_denied'],
  ['approval_pending', 'approval_pending'],
  ['approval_denied', 'approval_denied'],
  ['approval_expired', 'approval_expired'],
  ['approval_used', 'approval_used'],
  ['approval_policy_changed', 'approval_policy_changed'],
  ['approval_separation', 'approval_separation'],
  ['approval_needs_hash', 'approval_needs_hash'],
  ['emergency_unreviewed', 'emergency_unreviewed'],
  ['too_many_approvals', 'too_many_approvals'],
  ['approval_cooldown', 'approval_cooldown'],
]);

const toCallRefusal = ({ kind, code, message, approval }: ExchangeError): CallRefusal => {
  // Limits are answered as unavailable, so that the start of a run is tried again.
  const isKnown =
    kind === 'refused' || code === 'too_many_approvals' || code === 'approval_cooldown';
  return {
    code: (isKnown ? CALL_CODES.get(code) : undefined) ?? 'authority_unreachable',
    message,
    ...(approval !== undefined && { approval }),
  };
};
