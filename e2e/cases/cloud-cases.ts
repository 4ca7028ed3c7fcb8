import type { CaseCloud } from './case-cloud.ts';
import { listExpectedOutcomes, type CloudCase, type CaseStep } from './cloud-case.ts';
import { formatAnswer, isOutcome, type CaseAnswer, type Outcome } from './case-outcome.ts';
import { REQUEST_CASES } from './request-cases.ts';
import { sendS3Request } from './s3-request.ts';
import { putWithSdk } from './sdk-put.ts';
import { SESSION_CASES } from './session-cases.ts';
import {
  requestSession,
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
  const other = readKeys(await requestSession(cloud, {}));
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
  const expected = listExpectedOutcomes(one, cloud.name);
  const differs = one.differs[cloud.name]?.reason;
  const common = { name: one.name, expected, ...(differs !== undefined && { differs }) };
  try {
    const answers = await collectAnswers(cloud, one, other);
    const passed =
      answers.length === expected.length &&
      answers.every((answer, index) => isOutcome(expected[index] ?? 'done', answer));
    return { ...common, passed, got: answers.map(formatAnswer) };
  } catch (error) {
    return { ...common, passed: false, got: [String(error)] };
  }
};

const collectAnswers = async (
  cloud: CaseCloud,
  one: CloudCase,
  other: SessionKeys,
): Promise<readonly CaseAnswer[]> => {
  const startedAt = Date.now();
  const wish = one.session({ now: startedAt, sourceIp: cloud.sourceIp });
  const granted = await requestSession(cloud, wish);
  const answers = [granted];
  if (granted.status !== 200) return answers;
  const keys = readKeys(granted);
  checkExpiration(keys, startedAt + (wish.durationSeconds ?? DEFAULT_DURATION_SECONDS) * 1000);
  for (const step of one.steps) {
    await waitUntil(startedAt + (step.afterMs ?? 0));
    const answer = await runStep(cloud, step, [keys, other]);
    checkContent(step, answer);
    answers.push(answer);
  }
  return answers;
};

const checkContent = ({ content }: CaseStep, answer: CaseAnswer): void => {
  if (content !== undefined && answer.status === 200 && answer.body !== content) {
    throw new Error(
      `expected the content ${JSON.stringify(content)}, got ${JSON.stringify(answer.body)}`,
    );
  }
};

/** Clocks and whole seconds may make it a little different. */
const checkExpiration = ({ expiresAt }: SessionKeys, expected: number): void => {
  if (Math.abs(expiresAt - expected) > 10_000) {
    throw new Error(
      `expected keys until ${formatTime(expected)}, got until ${formatTime(expiresAt)}`,
    );
  }
};

const formatTime = (time: number): string => new Date(time).toISOString();

const runStep = (
  cloud: CaseCloud,
  { request }: CaseStep,
  keys: readonly [SessionKeys, SessionKeys],
): Promise<CaseAnswer> =>
  'sdk' in request ? putWithSdk(cloud, request, keys[0]) : sendS3Request(cloud, request, keys);

/** Deadlines are the clouds' own and by the wall clock: there is no other condition to await. */
const waitUntil = (time: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, time - Date.now())));
