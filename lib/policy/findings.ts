import type { DetailedError, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Fault } from '../reading/fault.ts';
import { splitPolicies, syntaxOf, validatePolicies } from './cedar.ts';
import { findTooHigh, MAX_HEIGHT } from './nesting.ts';
import { findUnsound } from './soundness.ts';
import { blankComments, faultsAt, offsetOfByte, printable, type Finding } from './source.ts';

/** One TaskPolicy: its name and its Cedar text. */
export type PolicyText = { readonly name: string; readonly cedar: string };

/** What was found in one TaskPolicy. */
export type PolicyFindings = {
  readonly name: string;
  /** Ids of its policies: `<TaskPolicy>/<@id or index>`. */
  readonly policies: readonly string[];
  /** Anything here makes it invalid; `path` is `line <n>, column <n>`. */
  readonly faults: readonly Fault[];
  /** What Cedar finds odd in it, a line each. */
  readonly warnings: readonly string[];
};

/** One policy of a TaskPolicy. */
export type ReadPolicy = {
  readonly id: string;
  readonly text: string;
  readonly json: PolicyJson;
};

export type ReadPolicies = {
  readonly findings: PolicyFindings;
  readonly read: readonly ReadPolicy[];
};

/** As the CRD's own. */
const MAX_LENGTH = 65_536;
const MAX_POLICIES = 64;

/**
 * Judges the text of one TaskPolicy: its syntax, by the schema, and that no use of `context.resource`
 * lets a wider pattern escape.
 *
 * @throws only when Cedar itself fails
 */
export const judgePolicy = (policy: PolicyText): PolicyFindings => readPolicy(policy).findings;

/**
 * Reads one TaskPolicy, and nothing of an invalid one.
 *
 * @throws only when Cedar itself fails
 */
export const readPolicy = (policy: PolicyText): ReadPolicies => {
  const text = blankComments(policy.cedar);
  const tooBig = judgeSize(text);
  if (tooBig !== undefined) return invalid(policy, [tooBig]);
  const split = splitPolicies(text);
  if (!split.ok) return invalid(policy, explain(split.errors, { text, from: 0 }));
  const unfit = judgeCounts(split.policies.length, split.templates.length);
  if (unfit !== undefined) return invalid(policy, [unfit]);
  return readParts(policy, locate(split.policies, text));
};

const invalid = (policy: PolicyText, found: readonly Finding[]): ReadPolicies => ({
  findings: { name: policy.name, policies: [], faults: faultsAt(policy, found), warnings: [] },
  read: [],
});

const judgeSize = (text: string): Finding | undefined => {
  if (text.length > MAX_LENGTH) {
    return { offset: 0, expected: `at most ${MAX_LENGTH} characters`, got: `${text.length}` };
  }
  const offset = findTooHigh(text);
  const expected = `at most ${MAX_HEIGHT} brackets and operators upon each other: group with brackets, or write several policies`;
  const got = 'a policy nested or chained further';
  return offset === undefined ? undefined : { offset, expected, got };
};

const judgeCounts = (count: number, templates: number): Finding | undefined => {
  if (templates > 0) {
    const expected = 'policies without the slots ?principal and ?resource';
    return { offset: 0, expected, got: `templates: ${templates}` };
  }
  const expected = `1 to ${MAX_POLICIES} policies`;
  const isFit = count >= 1 && count <= MAX_POLICIES;
  return isFit ? undefined : { offset: 0, expected, got: `${count}` };
};

/** One policy's text, and its offset in the whole. */
type Part = { readonly text: string; readonly from: number };
type ReadPart = ReadPolicy & Part;

const locate = (texts: readonly string[], whole: string): readonly Part[] => {
  let end = 0;
  return texts.map((text) => {
    const from = Math.max(whole.indexOf(text, end), end);
    end = from + text.length;
    return { text, from };
  });
};

const readParts = (policy: PolicyText, parts: readonly Part[]): ReadPolicies => {
  const read = parts.map((part, index): ReadPart => {
    const json = syntaxOf(part.text);
    return { ...part, id: `${policy.name}/${idOf(json) ?? index}`, json };
  });
  const { errors, warnings } = validatePolicies(
    Object.fromEntries(parts.map(({ text }, index) => [`${index}`, text])),
  );
  const found = [
    ...read.flatMap((part, index) => judgeId(part, read.slice(0, index))),
    ...errors.flatMap(({ policyId, error }) => explain([error], parts[Number(policyId)])),
    ...read.flatMap(({ json, text, from }) => move(findUnsound(json, text), from)),
  ];
  if (found.length > 0) return invalid(policy, found);
  const odd = warnings.map(({ policyId, error }) =>
    printable(withoutPrefix(error.message, read[Number(policyId)]?.id)),
  );
  const policies = read.map(({ id }) => id);
  return { findings: { name: policy.name, policies, faults: [], warnings: odd.sort() }, read };
};

const move = (findings: readonly Finding[], from: number): readonly Finding[] =>
  findings.map((finding) => ({ ...finding, offset: finding.offset + from }));

/** `@id` alone, without a text, is an empty one: Cedar calls that null, whatever its types say. */
const idOf = ({ annotations = {} }: PolicyJson): string | undefined =>
  Object.hasOwn(annotations, 'id') ? (annotations['id'] ?? '') : undefined;

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

const judgeId = (part: ReadPart, earlier: readonly ReadPart[]): readonly Finding[] => {
  const { id, json, from: offset } = part;
  const given = idOf(json);
  if (given !== undefined && !ID.test(given)) {
    const expected = '@id("…") of 1 to 63 letters, digits, `.`, `_` and `-`';
    return [{ offset, expected, got: printable(`@id("${given}")`) }];
  }
  return earlier.some((each) => each.id === id)
    ? [{ offset, expected: 'each @id once', got: `a second ${id}` }]
    : [];
};

/** Cedar's own words: what it found, and what it says would help. */
const explain = (
  errors: readonly DetailedError[],
  { text, from }: Part = { text: '', from: 0 },
): readonly Finding[] =>
  errors.map(({ message, help, sourceLocations }) => {
    const [place] = sourceLocations ?? [];
    const hint = help ?? place?.label ?? '';
    return {
      offset: from + offsetOfByte(text, place?.start ?? 0),
      expected: `Cedar by the schema${hint === '' ? '' : ` (${printable(hint)})`}`,
      got: printable(withoutPrefix(message)),
    };
  });

/** Cedar's validator begins with the policy's name, which here is a number. */
const withoutPrefix = (message: string, id?: string): string =>
  message.replace(/^for policy `\d+`, /, id === undefined ? '' : `${id}: `);
