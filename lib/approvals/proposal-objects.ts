import { createHash } from 'node:crypto';

import {
  MAX_PROPOSAL_REASON_LENGTH,
  MAX_PROPOSED_PAIRS,
  MAX_PROPOSED_RESOURCE_LENGTH,
  TASK_PROPOSALS,
  type Proposal,
  type ProposalRequest,
  type TaskProposal,
  type TaskProposalSpec,
} from '../contract/proposals.ts';
import type { TaskStatement } from '../contract/task.ts';
import { canonicalizeJson } from '../schema/canonical-json.ts';
import { fail, type Result } from '../schema/field-error.ts';
import { toMapping } from '../schema/mapping.ts';
import {
  dnsLabel,
  list,
  object,
  read,
  refine,
  string,
  value,
  type Reader,
} from '../schema/reader.ts';

const subdomain = string({
  expected: 'a DNS name',
  pattern: /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
});
const text = (maxLength: number) =>
  string({ expected: `1 to ${maxLength} characters`, pattern: /^[^]+$/, maxLength });
const time = refine(
  string({ expected: 'a time (RFC 3339)', pattern: /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/i }),
  (written) => (Number.isNaN(Date.parse(written)) ? 'a time (RFC 3339)' : undefined),
);

const texts = (maxLength: number) => list(text(maxLength), { min: 1, max: MAX_PROPOSED_PAIRS });

const allow: Reader<readonly TaskStatement[]> = refine(
  list(object({ actions: texts(256), resources: texts(MAX_PROPOSED_RESOURCE_LENGTH) }), {
    min: 1,
    max: MAX_PROPOSED_PAIRS,
  }),
  (statements) =>
    countProposedPairs(statements) <= MAX_PROPOSED_PAIRS
      ? undefined
      : `at most ${MAX_PROPOSED_PAIRS} pairs of an action and a resource`,
);

/** Counts the pairs of an action and a resource. */
export const countProposedPairs = (statements: readonly TaskStatement[]): number =>
  statements.reduce((sum, { actions, resources }) => sum + actions.length * resources.length, 0);

/** Reads what a sidecar sends. */
export const proposalRequest: Reader<ProposalRequest> = object({
  task: dnsLabel,
  consumer: dnsLabel,
  allow,
  reason: { optional: text(MAX_PROPOSAL_REASON_LENGTH) },
});

/** Escaped, each character of a reason may take ten. */
const MAX_STORED_REASON_LENGTH = 10 * MAX_PROPOSAL_REASON_LENGTH;
/** Characters of a diff, and of a policy. */
const MAX_TEXT_LENGTH = 65_536;
const longText = string({ expected: 'a text', maxLength: MAX_TEXT_LENGTH });

/** Reads `spec` of a TaskProposal, equal to `charts/valetkey/crds/taskproposals.yaml`. */
const taskProposalSpec: Reader<TaskProposalSpec> = object({
  requester: object({
    serviceAccount: subdomain,
    pod: subdomain,
    podUid: string({ expected: 'a UID', pattern: /^[A-Za-z0-9-]{1,63}$/ }),
    consumer: dnsLabel,
  }),
  task: dnsLabel,
  allow,
  annotation: longText,
  cedar: longText,
  reason: { optional: text(MAX_STORED_REASON_LENGTH) },
  expiresAt: time,
});

const storedProposal: Reader<TaskProposal> = object({
  name: string({ expected: 'tp- and 20 hex digits', pattern: /^tp-[0-9a-f]{20}$/ }),
  namespace: dnsLabel,
  uid: text(64),
  createdAt: value('a time', (given): given is number => Number.isFinite(given)),
  spec: taskProposalSpec,
});

/** Parses a TaskProposal as the API server stores it. @returns all field errors with its source */
export const parseTaskProposal = (found: unknown): Result<TaskProposal> => {
  const { metadata: given, spec } = toMapping(found);
  const { name, namespace, uid, creationTimestamp = NaN } = toMapping(given);
  const createdAt = new Date(creationTimestamp as string).getTime();
  const result = read(storedProposal, { name, namespace, uid, createdAt, spec });
  if (result.ok) return result;
  const source = `${TASK_PROPOSALS}/${typeof name === 'string' ? name : ''}`;
  return fail(result.faults.map((fault) => ({ ...fault, source })));
};

const NAME_DIGITS = 20;

/** The name of a proposal: one for each content, whichever pod of the workload proposes it. */
export const buildProposalName = ({
  serviceAccount,
  role,
  task,
  allow: statements,
}: Proposal & { readonly serviceAccount: string; readonly role: string }): string => {
  const content = canonicalizeJson({
    serviceAccount,
    role,
    task,
    allow: statements.map(({ actions, resources }) => ({ actions, resources })),
  });
  return `tp-${createHash('sha256').update(content).digest('hex').slice(0, NAME_DIGITS)}`;
};
