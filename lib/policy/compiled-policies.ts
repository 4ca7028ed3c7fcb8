import { createHash } from 'node:crypto';
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { ApprovalGroup } from '../contract/approvals.ts';
import { readApprovalGroup } from './approval-annotation.ts';
import {
  readPolicy,
  type ParsedPolicy,
  type PolicyFindings,
  type PolicyText,
  type PolicyReadResult,
} from './policy-findings.ts';
import type { CedarPolicies } from './cedar.ts';
import { isAbout } from './call-policies.ts';
import { markInexactNumbers, markUnknownConditions } from './unknowns.ts';
import {
  isCounted,
  needsException,
  readVendException,
  type CountingRequest,
  type VendException,
} from './vend-exceptions.ts';

/** A complete set of policies, ready for decisions. */
export type CompiledPolicies = {
  /** SHA-256, hex, of all names and texts. Independent of their order. */
  readonly version: string;
  /** One per TaskPolicy, in the order of names. */
  readonly findings: readonly PolicyFindings[];
  /** Reasons why every decision is a deny, one line each; empty: the policies decide. */
  readonly blockers: readonly string[];
  /** By policy ID. */
  readonly texts: Readonly<Record<string, string>>;
  /** By policy ID, with conditions that are unknown at admission marked. */
  readonly withUnknowns: Readonly<Record<string, PolicyJson>>;
  /** The forbids that are about calls, by policy ID. Permits of calls decide nothing: all calls are permitted. */
  readonly callForbids: Readonly<Record<string, PolicyJson>>;
  /** Permits that have an end and a reason, by policy ID, whether or not they have ended. */
  readonly exceptions: Readonly<Record<string, VendException>>;
  /** Forbids that ask people, by policy ID. */
  readonly approvals: Readonly<Record<string, ApprovalGroup>>;
};

/** The time of a decision grows with the number of policies. */
const MAX_POLICIES = 1024;

/**
 * Compiles a complete set of TaskPolicies. While one of them is invalid, every decision is a deny that
 * names it, because what it was meant to forbid is unknown.
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
    callForbids: Object.fromEntries(
      read
        .filter(({ json }) => json.effect === 'forbid' && isAbout(json, 'call'))
        .map(({ id, json }) => [id, markInexactNumbers(json)]),
    ),
    exceptions: collectAnnotated(read, readVendException),
    approvals: collectAnnotated(read, readApprovalGroup),
  };
};

/** What the annotations of policies say, by policy ID. */
const collectAnnotated = <T>(
  policies: readonly ParsedPolicy[],
  readAnnotated: (json: PolicyJson) => T | undefined,
): Readonly<Record<string, T>> =>
  Object.fromEntries(
    policies.flatMap(({ id, json }) => {
      const annotated = readAnnotated(json);
      return annotated === undefined ? [] : [[id, annotated] as const];
    }),
  );

/** The policies of a set that count for one request. */
export type CountingPolicies = CedarPolicies & Pick<CompiledPolicies, 'withUnknowns'>;

/** Selects the policies that count for a request, at its time. */
export const selectCountingPolicies = (
  { version, texts, withUnknowns, exceptions }: CompiledPolicies,
  request: CountingRequest,
): CountingPolicies => {
  if (!needsException(request)) return { name: 'all', key: version, texts, withUnknowns };
  const ids = Object.entries(withUnknowns)
    .filter(([id, { effect }]) => isCounted({ effect, exception: exceptions[id] }, request))
    .map(([id]) => id);
  const pick = <T>(all: Readonly<Record<string, T>>): Readonly<Record<string, T>> =>
    Object.fromEntries(Object.entries(all).filter(([id]) => counted.has(id)));
  const counted = new Set(ids);
  return {
    name: 'exceptions',
    key: JSON.stringify([version, ids]),
    texts: pick(texts),
    withUnknowns: pick(withUnknowns),
  };
};

/** Results of the latest set by name and text: reading takes milliseconds per TaskPolicy. */
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
    : [`TaskPolicy ${name} is invalid, so every run is denied: see its status`];

const checkNames = (ordered: readonly PolicyText[]): readonly string[] =>
  ordered
    .filter(({ name }, index) => ordered[index + 1]?.name === name)
    .map(({ name }) => `two TaskPolicies are named ${name}, so every run is denied`);

const checkCount = (count: number): readonly string[] =>
  count <= MAX_POLICIES
    ? []
    : [
        `all TaskPolicies together contain ${count} policies, so every run is denied: at most ${MAX_POLICIES} are allowed`,
      ];
