import type { CaseCloud } from './case-cloud.ts';
import { listExpectedOutcomes, type CloudCase, type CaseStep } from './cloud-case.ts';
import { formatAnswer, isOutcome, type CaseAnswer, type Outcome } from './case-outcome.ts';
import { PAIR_CASES } from './pair-cases.ts';
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

/** The table of cases for every cloud. */
export const CLOUD_CASES: readonly CloudCase[] = [
  ...SESSION_CASES,
  ...REQUEST_CASES,
  ...PAIR_CASES,
];

/** The result of a case: expected and actual responses, of STS and then of each step. */
export type CaseResult = {
  readonly name: string;
  readonly passed: boolean;
  readonly expected: readonly Outcome[];
  readonly got: readonly string[];
  /** Set if this cloud is known to respond differently. */
  readonly differs?: string;
};

/** Runs the table on a cloud; a missing response fails its case. */
export const runCloudCases = async (
  cloud: CaseCloud,
  cases: readonly CloudCase[] = CLOUD_CASES,
): Promise<readonly CaseResult[]> => {
  const other = readKeys(await requestSession(cloud, {}));
  const results: CaseResult[] = [];
  // One at a time, because RGW 16 crashes under many concurrent session requests.
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
  const base = { name: one.name, expected, ...(differs !== undefined && { differs }) };
  try {
    const answers = await collectAnswers(cloud, one, other);
    const passed =
      answers.length === expected.length &&
      answers.every((answer, index) => isOutcome(expected[index] ?? 'done', answer));
    return { ...base, passed, got: answers.map(formatAnswer) };
  } catch (error) {
    return { ...base, passed: false, got: [String(error)] };
  }
};

const collectAnswers = async (
  cloud: CaseCloud,
  one: CloudCase,
  other: SessionKeys,
): Promise<readonly CaseAnswer[]> => {
  const startedAt = Date.now();
  const request = one.session({ now: startedAt, sourceIp: cloud.sourceIp });
  const granted = await requestSession(cloud, request);
  const answers = [granted];
  if (granted.status !== 200) return answers;
  const keys = readKeys(granted);
  checkExpiration(keys, startedAt + (request.durationSeconds ?? DEFAULT_DURATION_SECONDS) * 1000);
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

/** Tolerance for clock differences and whole seconds. */
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

/** Waits for a time, because clouds enforce deadlines by the wall clock. */
const waitUntil = (time: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, time - Date.now())));
