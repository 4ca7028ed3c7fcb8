import { createCallAttempts } from '../../calls/call-attempts.ts';
import type { CallRun } from '../../calls/call-runs.ts';
import { createGateCheck, type BodyFacts, type GateCheckDeps } from '../../calls/gate-check.ts';
import type { Clock } from '../../contract/clock.ts';
import type { CallExchange, CallRecords } from './call-record.ts';
import { RefusedCall } from './refused-call.ts';
import { watchEnds } from './watch-ends.ts';

export type GateStepDeps = GateCheckDeps & {
  readonly clock: Clock;
  readonly createId: () => string;
};

/** SDKs of AWS, and APIs that accept a repeated request, name all tries of one call. */
const CALL_NAMES = ['amz-sdk-invocation-id', 'idempotency-key'];

/** Creates the step that applies the gates of a run to an authorized call. It throws a RefusedCall. */
export const createGateStep = (deps: GateStepDeps, records: CallRecords) => {
  const { createId } = deps;
  const attempts = createCallAttempts({ now: deps.clock.monotonic, createId });
  const check = createGateCheck(deps);
  return async (exchange: CallExchange, run: CallRun, facts: BodyFacts): Promise<void> => {
    const { record, incoming, outgoing } = exchange;
    const name = CALL_NAMES.map((header) => incoming.headers[header]).find(Boolean);
    const refusal = await check(record, run, {
      ...facts,
      wait: (answer) => records.wait(record, answer),
      beginAttempt: (content) => {
        const isNamed = name !== undefined && content !== undefined;
        const key = isNamed ? JSON.stringify([run.run, name, content.sha256]) : undefined;
        record.attempt = attempts.begin(key);
        return record.attempt.name;
      },
      watchEnd: () => watchEnds(run, outgoing),
    });
    if (refusal !== undefined) throw new RefusedCall(refusal);
  };
};
