import { createHash } from 'node:crypto';

import type { AdmissionQuestion, Decision } from '../../lib/policy/decision.ts';
import type { CompiledPolicies } from '../../lib/policy/policies.ts';
import { openFairTurns } from './fair-turns.ts';
import { openRecentAnswers } from './recent-answers.ts';

/** What policies say of a task at admission: by these two alone, so that it may be remembered. */
export type DecideAtAdmission = (
  policies: CompiledPolicies,
  question: AdmissionQuestion,
) => Promise<Decision>;

/** A few megabytes at the very most: a decision gives nine reasons, and its question is a digest. */
const MAX_REMEMBERED = 1024;

/**
 * Remembers decisions: all pods of one workload ask the same, and Cedar takes a millisecond for each
 * pair. New ones are made in turns of namespaces: pods that are new in many tasks would keep probes,
 * timers and everybody's answers waiting for seconds.
 */
export const rememberDecisions = (decide: DecideAtAdmission): DecideAtAdmission => {
  const recent = openRecentAnswers<Promise<Decision>>(MAX_REMEMBERED);
  const takeTurn = openFairTurns();
  return (policies, question) => {
    const asked = digestOf([policies.version, question]);
    const known = recent.recall(asked);
    if (known !== undefined) return known;
    const { namespace } = question.principal;
    const decision = takeTurn(namespace, () => decide(policies, question));
    recent.keep(asked, decision);
    decision.catch(() => recent.forget(asked));
    return decision;
  };
};

/** A task may be 4 KiB long, and is written by a pod's author. */
const digestOf = (asked: unknown): string =>
  createHash('sha256').update(JSON.stringify(asked)).digest('base64');
