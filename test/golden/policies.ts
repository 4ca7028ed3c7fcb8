import { evaluateAdmissionPolicy } from '../../lib/policy/admission-decision.ts';
import type { PolicyDecision, RunPolicyRequest } from '../../lib/policy/decision.ts';
import { checkPolicy } from '../../lib/policy/policy-findings.ts';
import { compilePolicies } from '../../lib/policy/compiled-policies.ts';
import { createRunRequestBuilder } from '../../lib/policy/cedar-requests.ts';
import { evaluateRunPolicy } from '../../lib/policy/run-decision.ts';
import { CEDAR_SCHEMA } from '../../lib/policy/cedar-schema.ts';
import { STARTER_POLICY } from '../../lib/policy/starter-policy.ts';
import { expandPairs } from '../../lib/task/pairs.ts';
import { loadCatalog } from '../kit/in-process-admission.ts';
import { faultPlace } from './outcomes.ts';
import { digest } from './format.ts';
import { POLICY_SETS, SINGLE_POLICIES } from './policy-texts.ts';
import { questions } from './policy-questions.ts';

/** No human text: who decided and how. */
const captureDecision = ({ outcome, policies, version, reasons }: PolicyDecision): unknown => [
  outcome,
  policies,
  reasons.length,
  version.slice(0, 12),
];

const decisionsBy = async (set: Readonly<Record<string, string>>): Promise<object> => {
  const policies = compilePolicies(Object.entries(set).map(([name, cedar]) => ({ name, cedar })));
  const parts = { policies, loadCatalog };
  const asked = Object.entries(questions).map(async ([name, question]) => {
    const run = captureDecision(await evaluateRunPolicy(parts, question));
    return [
      name,
      { run, admission: captureDecision(await evaluateAdmissionPolicy(parts, question)) },
    ] as const;
  });
  const { blockers, findings } = policies;
  const ids = findings.flatMap((each) => each.policies);
  return {
    blockers: blockers.length,
    ids,
    decisions: Object.fromEntries(await Promise.all(asked)),
  };
};

/** Outcomes of each set of policies for each question, as a run starts and at admission. */
export const captureDecisions = async (): Promise<object> =>
  Object.fromEntries(
    await Promise.all(
      Object.entries(POLICY_SETS).map(
        async ([name, set]) => [name, await decisionsBy(set)] as const,
      ),
    ),
  );

const captureRequests = async (question: RunPolicyRequest): Promise<unknown> => {
  const pairs = await expandPairs(question.task, loadCatalog);
  return pairs.ok ? pairs.value.map(createRunRequestBuilder(question)) : 'none';
};

/** What is found in single policies, the schema, and the requests that Cedar is asked. */
export const captureFindings = async (): Promise<object> => ({
  schema: digest(CEDAR_SCHEMA),
  starter: digest(STARTER_POLICY),
  findings: SINGLE_POLICIES.map((cedar) => {
    const { policies, faults, warnings } = checkPolicy({ name: 'any', cedar });
    return [cedar.slice(0, 200), policies, faults.map(faultPlace), warnings.length];
  }),
  requests: await Promise.all(Object.values(questions).map(captureRequests)),
});
