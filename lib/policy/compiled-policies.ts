import { createHash } from 'node:crypto';
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import {
  readPolicy,
  type PolicyFindings,
  type PolicyText,
  type PolicyReadResult,
} from './policy-findings.ts';
import { markUnknownConditions } from './unknowns.ts';

/** A whole set of policies, ready to decide. */
export type CompiledPolicies = {
  /** SHA-256, hex, of all names and texts, in whatever order they came. */
  readonly version: string;
  /** One for each TaskPolicy, in the order of their names. */
  readonly findings: readonly PolicyFindings[];
  /** Why every decision is a deny, a line each; empty: the policies decide. */
  readonly blockers: readonly string[];
  /** By id. */
  readonly texts: Readonly<Record<string, string>>;
  /** By id; what is unknown at admission is marked so. */
  readonly withUnknowns: Readonly<Record<string, PolicyJson>>;
};

/** A decision takes as long as there are policies. */
const MAX_POLICIES = 1024;

/**
 * Compiles a whole set of TaskPolicies. While one of them is invalid every decision is a deny that
 * names it: what it would have forbidden is not known.
 *
 * @throws only when Cedar itself fails
 */
export const compilePolicies = (set: readonly PolicyText[]): CompiledPolicies => {
  const ordered = [...set].sort((one, other) => (one.name < other.name ? -1 : 1));
  const all = readChangedPolicies(ordered);
  const findings = all.map((each) => each.findings);
  const read = all.flatMap((each) => each.parsed);
  return {
    version: computeVersion(ordered),
    findings,
    blockers: [
      ...findings.flatMap(listBlockers),
      ...checkNames(ordered),
      ...checkCount(read.length),
    ],
    texts: Object.fromEntries(read.map(({ id, text }) => [id, text])),
    withUnknowns: Object.fromEntries(read.map(({ id, json }) => [id, markUnknownConditions(json)])),
  };
};

/** What the latest set came to, by name and text: reading takes milliseconds for each TaskPolicy. */
let latestResults: ReadonlyMap<string, PolicyReadResult> = new Map();

const readChangedPolicies = (ordered: readonly PolicyText[]): readonly PolicyReadResult[] => {
  const entries = ordered.map((policy) => {
    const key = JSON.stringify([policy.name, policy.cedar]);
    return [key, latestResults.get(key) ?? readPolicy(policy)] as const;
  });
  latestResults = new Map(entries);
  return entries.map(([, each]) => each);
};

const computeVersion = (ordered: readonly PolicyText[]): string =>
  createHash('sha256')
    .update(JSON.stringify(ordered.map(({ name, cedar }) => [name, cedar])))
    .digest('hex');

const listBlockers = ({ name, faults }: PolicyFindings): readonly string[] =>
  faults.length === 0
    ? []
    : [`TaskPolicy ${name} is invalid, so that nothing is permitted: its status says why`];

const checkNames = (ordered: readonly PolicyText[]): readonly string[] =>
  ordered
    .filter(({ name }, index) => ordered[index + 1]?.name === name)
    .map(({ name }) => `two TaskPolicies are called ${name}, so that nothing is permitted`);

const checkCount = (count: number): readonly string[] =>
  count <= MAX_POLICIES
    ? []
    : [
        `${count} policies stand in all TaskPolicies, so that nothing is permitted: at most ${MAX_POLICIES} may`,
      ];
