import { isRefusalCode, type CallRefusal } from '../../calls/call-refusals.ts';
import type { CallResult } from '../../calls/call-request.ts';

/** Thrown to leave a call at any step; holds nothing but the refusal. */
export class RefusedCall extends Error {
  readonly refusal: CallRefusal;
  constructor(refusal: CallRefusal) {
    super(refusal.code);
    this.refusal = refusal;
  }
}

/** @throws RefusedCall */
export const requireValue = <T>(result: CallResult<T>): T => {
  if (!result.ok) throw new RefusedCall(result.refusal);
  return result.value;
};

/** @throws RefusedCall */
export const refuse = (code: CallRefusal['code'], message: string): never => {
  throw new RefusedCall({ code, message });
};

/** What ended a call: one of our refusals, thrown or as the reason of an abort, or a cloud without response. */
export const toRefusal = (thrown: unknown): CallRefusal => {
  if (thrown instanceof RefusedCall) return thrown.refusal;
  const { cause } = thrown as { cause?: unknown };
  for (const { code, message } of [thrown, cause ?? {}] as { code?: string; message?: string }[]) {
    if (code !== undefined && isRefusalCode(code)) return { code, message: message ?? '' };
  }
  return { code: 'upstream_unreachable', message: 'the cloud did not answer' };
};
