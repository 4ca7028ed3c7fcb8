import type { CaseCloud } from './case-cloud.ts';
import { expectedOutcomes, type CloudCase, type Step } from './cloud-case.ts';
import { describeAnswer, isOutcome, type Answer, type Outcome } from './outcome.ts';
import { REQUEST_CASES } from './request-cases.ts';
import { askS3 } from './s3-request.ts';
import { putBySdk } from './sdk-put.ts';
import { SESSION_CASES } from './session-cases.ts';
import {
  askForSession,
  DEFAULT_DURATION_SECONDS,
  readKeys,
  type SessionKeys,
} from './sts-request.ts';

/** The one table that every cloud answers. */
export const CLOUD_CASES: readonly CloudCase[] = [...SESSION_CASES, ...REQUEST_CASES];

/** How one case went: what was expected and got, first of STS, then of each step. */
export type CaseResult = {
  readonly name: string;
  readonly passed: boolean;
  readonly expected: readonly Outcome[];
  readonly got: readonly string[];
  /** Where this cloud is known to answer otherwise than the others. */
  readonly differs?: string;
};

/** Puts the table to a cloud; an answer that never comes is a result that did not pass. */
export const runCloudCases = async (
  cloud: CaseCloud,
  cases: readonly CloudCase[] = CLOUD_CASES,
): Promise<readonly CaseResult[]> => {
  const other = readKeys(await askForSession(cloud, {}));
  const results: CaseResult[] = [];
  // One at a time: RGW 16 falls over when many sessions are asked for at once.
  for (const one of cases) results.push(await runCase(cloud, one, other));
  return results;
};

const runCase = async (
  cloud: CaseCloud,
  one: CloudCase,
  other: SessionKeys,
): Promise<CaseResult> => {
  const expected = expectedOutcomes(one, cloud.name);
  const differs = one.differs[cloud.name]?.reason;
  const common = { name: one.name, expected, ...(differs !== undefined && { differs }) };
  try {
    const answers = await answersTo(cloud, one, other);
    const passed =
      answers.length === expected.length &&
      answers.every((answer, index) => isOutcome(expected[index] ?? 'done', answer));
    return { ...common, passed, got: answers.map(describeAnswer) };
  } catch (error) {
    return { ...common, passed: false, got: [String(error)] };
  }
};

const answersTo = async (
  cloud: CaseCloud,
  one: CloudCase,
  other: SessionKeys,
): Promise<readonly Answer[]> => {
  const startedAt = Date.now();
  const wish = one.session({ now: startedAt, sourceIp: cloud.sourceIp });
  const granted = await askForSession(cloud, wish);
  const answers = [granted];
  if (granted.status !== 200) return answers;
  const keys = readKeys(granted);
  requireExpiration(keys, startedAt + (wish.durationSeconds ?? DEFAULT_DURATION_SECONDS) * 1000);
  for (const step of one.steps) {
    await reach(startedAt + (step.afterMs ?? 0));
    const answer = await take(cloud, step, [keys, other]);
    requireContent(step, answer);
    answers.push(answer);
  }
  return answers;
};

const requireContent = ({ content }: Step, answer: Answer): void => {
  if (content !== undefined && answer.status === 200 && answer.body !== content) {
    throw new Error(
      `expected the content ${JSON.stringify(content)}, got ${JSON.stringify(answer.body)}`,
    );
  }
};

/** Clocks and whole seconds may make it a little different. */
const requireExpiration = ({ expiresAt }: SessionKeys, expected: number): void => {
  if (Math.abs(expiresAt - expected) > 10_000) {
    throw new Error(`expected keys until ${isoTime(expected)}, got until ${isoTime(expiresAt)}`);
  }
};

const isoTime = (time: number): string => new Date(time).toISOString();

const take = (
  cloud: CaseCloud,
  { ask }: Step,
  keys: readonly [SessionKeys, SessionKeys],
): Promise<Answer> => ('sdk' in ask ? putBySdk(cloud, ask, keys[0]) : askS3(cloud, ask, keys));

/** Deadlines are the clouds' own and by the wall clock: there is no other condition to await. */
const reach = (time: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, time - Date.now())));
