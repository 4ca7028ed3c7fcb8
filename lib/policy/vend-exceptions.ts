import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { VendPolicy } from '../contract/platform.ts';
import type { Task } from '../contract/task.ts';
import { findAnnotation, readAnnotation } from './cedar-annotations.ts';
import { escapeUnprintable, type PolicyFinding } from './policy-source.ts';

/** A permit that may allow `delivery: vend` while `policy.vend` is `exception`. */
export type VendException = {
  /** UTC day, `2027-01-31`; the permit counts until its end. */
  readonly until: string;
  /** For people: why the task needs the cloud's keys. */
  readonly reason: string;
};

/** How far ahead `@until` may be, in days. */
export const MAX_EXCEPTION_DAYS = 90;

const MAX_REASON_CHARACTERS = 256;
const DAY_MS = 86_400_000;

/** Converts milliseconds since the epoch to their UTC day, `2027-01-31`. */
export const toUtcDay = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10);

/** The first moment at which an exception no longer counts, in milliseconds since the epoch. */
export const getExceptionEnd = ({ until }: Pick<VendException, 'until'>): number =>
  Date.parse(until) + DAY_MS;

/**
 * `future`: it ends more than {@link MAX_EXCEPTION_DAYS} ahead. The webhook refuses such a text, but it may
 * have been down, so that its refusal alone does not bound an exception.
 */
export type ExceptionState = 'current' | 'ended' | 'future';

/** @param atMs milliseconds since the epoch */
export const getExceptionState = (
  { until }: Pick<VendException, 'until'>,
  atMs: number,
): ExceptionState => {
  const daysAhead = (Date.parse(until) - Date.parse(toUtcDay(atMs))) / DAY_MS;
  if (daysAhead < 0) return 'ended';
  return daysAhead > MAX_EXCEPTION_DAYS ? 'future' : 'current';
};

/** What decides about the permits that count. */
export type CountingRequest = {
  readonly task: Pick<Task, 'delivery'>;
  readonly vend: VendPolicy;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
};

/** Whether permits need `@until` and `@reason` to count for this request. */
export const needsException = ({ task, vend }: Omit<CountingRequest, 'atMs'>): boolean =>
  vend !== 'free' && task.delivery !== 'sign';

/**
 * Whether a policy counts for a request: a forbid always does; a permit of a run that needs an exception
 * does only while it is one. A policy that does not count is ignored, and is not invalid.
 */
export const isCounted = (
  { effect, exception }: { readonly effect: string; readonly exception: VendException | undefined },
  request: CountingRequest,
): boolean =>
  effect === 'forbid' ||
  !needsException(request) ||
  (exception !== undefined && getExceptionState(exception, request.atMs) === 'current');

/** Reads the annotations of a permit. @returns undefined if they make no exception */
export const readVendException = (policy: PolicyJson): VendException | undefined => {
  const { until, reason } = readAnnotations(policy);
  const isException =
    policy.effect === 'permit' &&
    until !== undefined &&
    reason !== undefined &&
    isDay(until) &&
    isReason(reason);
  return isException ? { until, reason } : undefined;
};

const readAnnotations = (
  policy: PolicyJson,
): { readonly until: string | undefined; readonly reason: string | undefined } => ({
  until: readAnnotation(policy, 'until'),
  reason: readAnnotation(policy, 'reason'),
});

const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** Rejects days that no calendar has. */
const isDay = (text: string): boolean => {
  const atMs = DAY.test(text) ? Date.parse(text) : NaN;
  return !Number.isNaN(atMs) && toUtcDay(atMs) === text;
};

/** Without control and formatting characters, because terminals show it. */
const REASON = new RegExp(`^[^\\p{C}\\p{Zl}\\p{Zp}]{1,${MAX_REASON_CHARACTERS}}$`, 'u');

const isReason = (text: string): boolean => REASON.test(text) && text.trim() !== '';

/**
 * Checks the annotations of a policy when it is written. What is refused here makes no policy invalid
 * afterwards: it is ignored for `delivery: vend`.
 *
 * @param text of this policy; offsets are in it
 * @param atMs milliseconds since the epoch
 */
export const findExceptionFaults = (
  policy: PolicyJson,
  text: string,
  atMs: number,
): readonly PolicyFinding[] => {
  const { until, reason } = readAnnotations(policy);
  const isForbid = policy.effect === 'forbid';
  const faults = isForbid
    ? [until !== undefined && LAPSING_FORBID]
    : [
        until !== undefined && reason === undefined && NO_REASON,
        reason !== undefined && until === undefined && NO_UNTIL,
        reason !== undefined && !isReason(reason) && BAD_REASON,
        until !== undefined && checkUntil(until, atMs),
      ];
  const given = { until: `@until("${until}")`, reason: `@reason("${reason}")` };
  return faults
    .filter((fault) => fault !== false && fault !== undefined)
    .map(({ at, expected, got }) => ({
      offset: findAnnotation(text, at),
      expected,
      got: got ?? escapeUnprintable(given[at]),
    }));
};

/** `got`: other than the annotation itself. */
type AnnotationFault = {
  readonly at: 'until' | 'reason';
  readonly expected: string;
  readonly got?: string;
};

const REASON_TEXT = `@reason("…") of 1 to ${MAX_REASON_CHARACTERS} printable characters`;
const UNTIL_TEXT = '@until("…") with a day such as 2027-01-31';

const LAPSING_FORBID: AnnotationFault = {
  at: 'until',
  expected: 'a forbid without @until, because what it forbids would be permitted afterwards',
};
const NO_REASON: AnnotationFault = {
  at: 'until',
  expected: `${REASON_TEXT} beside @until`,
  got: 'no @reason',
};
const NO_UNTIL: AnnotationFault = {
  at: 'reason',
  expected: `${UNTIL_TEXT} beside @reason`,
  got: 'no @until',
};
const BAD_REASON: AnnotationFault = { at: 'reason', expected: REASON_TEXT };

const checkUntil = (until: string, atMs: number): AnnotationFault | undefined => {
  if (!isDay(until)) return { at: 'until', expected: UNTIL_TEXT };
  if (getExceptionState({ until }, atMs) !== 'future') return undefined;
  const last = toUtcDay(atMs + MAX_EXCEPTION_DAYS * DAY_MS);
  const limit = `at most ${MAX_EXCEPTION_DAYS} days ahead`;
  return { at: 'until', expected: `@until("${last}") or earlier, ${limit}` };
};
