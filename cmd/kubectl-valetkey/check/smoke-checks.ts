import { SMOKE_TASKS, type SmokeProbeLine } from '../../../lib/contract/smoke-test.ts';
import {
  failIfAny,
  pass,
  report,
  skip,
  toRow,
  type CheckResult,
  type CheckRow,
} from './check-row.ts';
import type { SmokeFacts } from './smoke-test.ts';

/** Checks what a smoke test found: the limits that the cloud itself enforces. */
export const checkSmokeTest = (facts: SmokeFacts): readonly CheckRow[] => {
  const scope = checkScope(facts);
  const hasRun = filterLines(facts, 'read').length > 0;
  const check = (evaluate: (found: SmokeFacts) => CheckResult): CheckResult =>
    hasRun ? evaluate(facts) : skip('the smoke test got no credentials');
  return [
    toRow('cloud-scope', scope),
    toRow('cloud-deadline', check(checkDeadline)),
    toRow('cloud-source', check(checkSource)),
    toRow('cloud-keys', check(checkKeys)),
  ];
};

/** The cloud denies ten seconds after the expiration that agents see; the probe reads once a second. */
const MAX_LATE_SECONDS = 15;

type ProbeLine<S extends SmokeProbeLine['step']> = Extract<SmokeProbeLine, { readonly step: S }>;

const filterLines = <S extends SmokeProbeLine['step']>(
  { lines }: SmokeFacts,
  step: S,
): readonly ProbeLine<S>[] => lines.filter((line): line is ProbeLine<S> => line.step === step);

const checkScope = (facts: SmokeFacts): CheckResult => {
  const reads = filterLines(facts, 'read');
  const problems = [
    ...filterLines(facts, 'refused').map(
      ({ task, answer }) => `task ${task}: expected credentials, got ${answer}`,
    ),
    ...SMOKE_TASKS.flatMap((task) => {
      const [own, ...others] = reads
        .filter((read) => read.task === task)
        .toSorted((one, other) => Number(other.of === task) - Number(one.of === task));
      return [
        ...(own === undefined || own.status === 200
          ? []
          : [`task ${task}: expected status 200 for its own object, got ${own.answer}`]),
        ...others
          .filter(({ status }) => status !== 403)
          .map(
            ({ answer }) =>
              `task ${task}: expected status 403 for the object of the other task, got ${answer}`,
          ),
      ];
    }),
  ];
  const { problem } = facts;
  const isComplete = reads.length === SMOKE_TASKS.length ** 2;
  const missing = isComplete || problems.length > 0 ? [] : [formatMissing(facts)];
  const all = [...problems, ...missing, ...(problem !== undefined && isComplete ? [problem] : [])];
  return failIfAny(all, {
    found: 'each task reads its own object, and not that of the other',
    hint: 'both objects must exist, the role must be allowed to read them, and policy must permit delivery: vend',
  });
};

const formatMissing = (facts: SmokeFacts): string => {
  const failed = filterLines(facts, 'failed').map(({ answer }) => answer);
  return `probe: expected results, got ${facts.problem ?? failed[0] ?? 'none'}`;
};

const checkDeadline = (facts: SmokeFacts): CheckResult => {
  const hint = 'the cloud must enforce aws:CurrentTime in session policies; check its version';
  const [denied] = filterLines(facts, 'denied');
  const [remains] = filterLines(facts, 'remains');
  if (remains !== undefined) {
    const { afterSeconds } = remains;
    const problem = `credentials: expected an end at their expiration, still valid ${afterSeconds} s after it`;
    return report('fail', { problems: [problem], hint });
  }
  if (denied === undefined) {
    const problem = 'credentials: expected an end at their expiration, got no result';
    return report('warning', { problems: [problem], hint: 'run the smoke test again' });
  }
  const { afterSeconds, answer } = denied;
  if (afterSeconds < 0) {
    const problem = `credentials: expected to be valid until their expiration, got ${answer} ${-afterSeconds} s before it`;
    return report('fail', {
      problems: [problem],
      hint: 'compare the clocks of the cloud and of the nodes',
    });
  }
  if (afterSeconds > MAX_LATE_SECONDS) {
    const problem = `credentials: expected an end within ${MAX_LATE_SECONDS} s after their expiration, got ${afterSeconds} s`;
    return report('warning', {
      problems: [problem],
      hint: 'compare the clocks of the cloud and of the nodes',
    });
  }
  return pass(`denied ${afterSeconds} s after the expiration that agents see`);
};

const checkSource = ({ mode, replay }: SmokeFacts): CheckResult => {
  if (mode === 'none') return skip('cloud.sourceRestriction.mode is none');
  const hint =
    'set cloud.sourceRestriction to how the cloud sees pods, and run this from another network';
  if (replay === undefined || 'unknown' in replay) {
    const why = replay === undefined ? 'the probe ended too early' : replay.unknown;
    return skip(`this machine could not send the request: ${why}`);
  }
  if (replay.status < 300) {
    const problem = `request from this machine with the credentials of the pod: expected status 403, got ${replay.status}`;
    return report('fail', { problems: [problem], hint });
  }
  if (!replay.isDenial) {
    return skip(`this machine got status ${replay.status}, which is no AccessDenied of the cloud`);
  }
  return replay.wasInTime
    ? pass(`${mode}: the cloud denies the credentials of a pod from this machine`)
    : skip('the credentials expired too early to decide: run it again');
};

const checkKeys = (facts: SmokeFacts): CheckResult => {
  const attempts = filterLines(facts, 'key');
  const created = attempts.filter(({ outcome }) => outcome === 'created');
  if (created.length > 0) {
    const problems = created.map(
      ({ api, remainingKey }) =>
        `${api}: expected no access key for a run, got one${remainingKey === undefined ? ', deleted again' : `; delete ${remainingKey}`}`,
    );
    return report('fail', {
      problems,
      hint: 'upgrade the cloud: docs/clouds.md names the first version',
    });
  }
  const unclear = attempts.filter(({ outcome }) => outcome === 'unclear');
  if (unclear.length > 0 || attempts.length === 0) {
    const problems = unclear.map(({ api, answer }) => `${api}: expected a denial, got ${answer}`);
    const none = 'access keys: expected an attempt, got none';
    return report('warning', {
      problems: problems.length > 0 ? problems : [none],
      hint: 'run the smoke test again, and look into the log of the cloud',
    });
  }
  return pass(attempts.map(({ api, outcome }) => `${api}: ${outcome}`).join(', '));
};
