import { callHead } from '../audit/call-head.ts';
import { JWT_TYPE, type CallHead } from '../contract/authority-api.ts';
import { object, rejectValue, string, type Reader } from '../schema/reader.ts';
import type { Call, Caller, VerifyPodToken } from './caller.ts';
import { buildAuditActor, type RecordDeps } from './exchange-records.ts';
import { readForm, redactedEnum, token } from './form-reader.ts';
import { newMalformedError, RequestError } from './token-refusal.ts';

export type CallRecordDeps = RecordDeps & {
  readonly verifyPodToken: VerifyPodToken;
  readonly checkRateLimits: (caller: Caller) => void;
  /** Whether the run was issued to the pod with this UID. */
  readonly belongsTo: (run: string, podUid: string) => boolean;
};

/** What is known about a report of calls, at whichever step it ends. */
export type CallRecordContext = { caller?: Caller | undefined; run?: string | undefined };

const calls: Reader<CallHead> = (given, path, faults) => {
  const parsed = typeof given === 'string' ? parseJson(given) : undefined;
  return parsed === undefined
    ? rejectValue(faults, { path, expected: 'JSON', value: given })
    : callHead(parsed, path, faults);
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

const FIELDS = {
  run: string({ expected: 'a run ID', pattern: /^[A-Za-z0-9_-]{1,64}$/ }),
  subject_token: token,
  subject_token_type: { optional: redactedEnum([JWT_TYPE]) },
  calls,
} as const;

const fields = object(FIELDS);

/**
 * Records the calls of a run that its own sidecar reports. As for the end of a run, the pod may be
 * terminating or deleted, so the token's signature and the proof in the run ID suffice.
 *
 * @param context filled in step by step
 * @throws RequestError, IdentityError, AuditError
 */
export const recordCalls = async (
  { form, peer }: Call,
  context: CallRecordContext,
  deps: CallRecordDeps,
): Promise<void> => {
  const request = readForm(form, { names: Object.keys(FIELDS), reader: fields });
  if (!request.ok) throw newMalformedError('request_malformed', request.faults);
  const { run, subject_token: podToken, calls: head } = request.value;
  context.run = run;
  const { caller } = await deps.verifyPodToken(podToken, peer);
  context.caller = caller;
  deps.checkRateLimits(caller);
  if (!deps.belongsTo(run, caller.pod.uid)) {
    throw new RequestError('run_not_owned', `run: expected a run of pod ${caller.pod.name}`);
  }
  const actor = buildAuditActor(caller);
  await deps.record({ kind: 'run.calls', at: deps.now(), actor, run, calls: head });
};
