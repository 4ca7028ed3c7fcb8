import type { DetailedError, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { FieldError } from '../schema/field-error.ts';
import { splitPolicies, parsePolicySyntax, validatePolicies } from './cedar.ts';
import { findApprovalFaults, warnOfApproval } from './approval-annotation.ts';
import { readAnnotation } from './cedar-annotations.ts';
import { isAbout } from './call-policies.ts';
import { findExcessiveNesting, MAX_HEIGHT } from './nesting.ts';
import { findUnsoundUses } from './soundness.ts';
import {
  findExceptionFaults,
  getExceptionState,
  readVendException,
  type CountingRequest,
} from './vend-exceptions.ts';
import {
  blankComments,
  toFieldErrors,
  toCharacterOffset,
  escapeUnprintable,
  type PolicyFinding,
} from './policy-source.ts';

/** One TaskPolicy: its name and its Cedar text. */
export type PolicyText = { readonly name: string; readonly cedar: string };

/** The findings in one TaskPolicy. */
export type PolicyFindings = {
  readonly name: string;
  /** IDs of its policies: `<TaskPolicy>/<@id or index>`. */
  readonly policies: readonly string[];
  /** Errors, which make it invalid; `path` is `line <n>, column <n>`. */
  readonly faults: readonly FieldError[];
  /** Cedar's warnings, one line each. */
  readonly warnings: readonly string[];
};

/** One policy of a TaskPolicy. */
export type ParsedPolicy = {
  readonly id: string;
  readonly text: string;
  readonly json: PolicyJson;
};

export type PolicyReadResult = {
  readonly findings: PolicyFindings;
  readonly parsed: readonly ParsedPolicy[];
};

/** The same as in the CRD. */
const MAX_LENGTH = 65_536;
const MAX_POLICIES = 64;

/**
 * Checks the text of one TaskPolicy: its syntax, its types by the schema, and that no wider declared
 * pattern can bypass a condition on `context.resource`.
 *
 * @throws only when Cedar itself fails
 */
export const checkPolicy = (policy: PolicyText): PolicyFindings => readPolicy(policy).findings;

/** When a TaskPolicy is written, in milliseconds since the epoch, and under which setting. */
export type WriteContext = Pick<CountingRequest, 'atMs' | 'vend'>;

/**
 * Checks the text of one TaskPolicy when it is written: as {@link checkPolicy}, and the annotations of
 * exceptions and approvals. It warns of those that have no effect.
 *
 * @throws only when Cedar itself fails
 */
export const checkWrittenPolicy = (policy: PolicyText, context: WriteContext): PolicyFindings => {
  const { findings, parsed } = readPolicy(policy, ({ json, text }) => [
    ...findExceptionFaults(json, text, context.atMs),
    ...findApprovalFaults(json, text),
  ]);
  const idle = parsed.flatMap((part) => [
    ...warnOfException(part, context),
    ...warnOfApproval(part.id, part.json),
  ]);
  return { ...findings, warnings: [...findings.warnings, ...idle] };
};

const warnOfException = (
  { id, json }: ParsedPolicy,
  { atMs, vend }: WriteContext,
): readonly string[] => {
  const exception = readVendException(json);
  if (exception === undefined) return [];
  const permit = `${id}: @until("${exception.until}")`;
  if (vend === 'free') return [`${permit} limits nothing while policy.vend is free`];
  return getExceptionState(exception, atMs) === 'ended'
    ? [`${permit} is in the past, so the permit does not count for delivery: vend`]
    : [];
};

/** A check of one policy beyond its validity. Offsets are in its text. */
type ExtraCheck = (policy: ParsedPolicy) => readonly PolicyFinding[];

/**
 * Reads one TaskPolicy. An invalid one has no parsed policies.
 *
 * @throws only when Cedar itself fails
 */
export const readPolicy = (
  policy: PolicyText,
  checkMore: ExtraCheck = () => [],
): PolicyReadResult => {
  const text = blankComments(policy.cedar);
  const tooBig = checkSize(text);
  if (tooBig !== undefined) return buildInvalidResult(policy, [tooBig]);
  const split = splitPolicies(text);
  if (!split.ok) return buildInvalidResult(policy, toFindings(split.errors, { text, from: 0 }));
  const invalidCount = checkCounts(split.policies.length, split.templates.length);
  if (invalidCount !== undefined) return buildInvalidResult(policy, [invalidCount]);
  return parsePolicies(policy, locatePolicies(split.policies, text), checkMore);
};

const buildInvalidResult = (
  policy: PolicyText,
  found: readonly PolicyFinding[],
): PolicyReadResult => ({
  findings: { name: policy.name, policies: [], faults: toFieldErrors(policy, found), warnings: [] },
  parsed: [],
});

const checkSize = (text: string): PolicyFinding | undefined => {
  if (text.length > MAX_LENGTH) {
    return { offset: 0, expected: `at most ${MAX_LENGTH} characters`, got: `${text.length}` };
  }
  const offset = findExcessiveNesting(text);
  const expected = `at most ${MAX_HEIGHT} nested brackets and chained operators: group conditions with brackets, or write several policies`;
  const got = 'a policy with deeper nesting or longer chains';
  return offset === undefined ? undefined : { offset, expected, got };
};

const checkCounts = (count: number, templates: number): PolicyFinding | undefined => {
  if (templates > 0) {
    const expected = 'policies without the slots ?principal and ?resource';
    return { offset: 0, expected, got: `templates: ${templates}` };
  }
  const expected = `1 to ${MAX_POLICIES} policies`;
  const isValid = count >= 1 && count <= MAX_POLICIES;
  return isValid ? undefined : { offset: 0, expected, got: `${count}` };
};

/** The text of one policy, and its offset in the whole text. */
type PolicyPart = { readonly text: string; readonly from: number };
type ParsedPolicyPart = ParsedPolicy & PolicyPart;

const locatePolicies = (texts: readonly string[], whole: string): readonly PolicyPart[] => {
  let end = 0;
  return texts.map((text) => {
    const from = Math.max(whole.indexOf(text, end), end);
    end = from + text.length;
    return { text, from };
  });
};

const parsePolicies = (
  policy: PolicyText,
  parts: readonly PolicyPart[],
  checkMore: ExtraCheck,
): PolicyReadResult => {
  const parsed = parts.map((part, index): ParsedPolicyPart => {
    const json = parsePolicySyntax(part.text);
    return { ...part, id: `${policy.name}/${getPolicyId(json) ?? index}`, json };
  });
  const { errors, warnings } = validatePolicies(
    Object.fromEntries(parts.map(({ text }, index) => [`${index}`, text])),
  );
  const found = [
    ...parsed.flatMap((part, index) => checkPolicyId(part, parsed.slice(0, index))),
    ...errors
      .filter(({ error }) => !PURPOSE_ERROR.test(error.message))
      .flatMap(({ policyId, error }) => toFindings([error], parts[Number(policyId)])),
    ...parsed.flatMap(({ json, text, from }) => shiftFindings(findUnsoundUses(json, text), from)),
    ...parsed.flatMap((part) => shiftFindings(checkMore(part), part.from)),
  ];
  if (found.length > 0) return buildInvalidResult(policy, dropRepeated(found));
  const odd = [
    ...warnings.map(({ policyId, error }) =>
      escapeUnprintable(stripPrefix(error.message, parsed[Number(policyId)]?.id)),
    ),
    ...parsed.flatMap(warnOfCallPermit),
  ];
  const policies = parsed.map(({ id }) => id);
  return { findings: { name: policy.name, policies, faults: [], warnings: odd.sort() }, parsed };
};

/** A policy with an open action constraint is validated for each action: the one that it is about is named. */
const dropRepeated = (findings: readonly PolicyFinding[]): readonly PolicyFinding[] => {
  const toKey = ({ offset, got }: PolicyFinding): string =>
    JSON.stringify([offset, got.replace('Action::"call"', 'Action::"run"')]);
  return [...new Map(findings.toSorted(byRunLast).map((each) => [toKey(each), each])).values()];
};

const byRunLast = (one: PolicyFinding, other: PolicyFinding): number =>
  Number(one.got.includes('Action::"run"')) - Number(other.got.includes('Action::"run"'));

const warnOfCallPermit = ({ id, json }: ParsedPolicy): readonly string[] =>
  json.effect === 'permit' && isAbout(json, 'call')
    ? [
        `${id}: a permit of calls has no effect, because every call of a run is permitted: write a forbid`,
      ]
    : [];

/** Not in the schema, and {@link findUnsoundUses} explains why. */
const PURPOSE_ERROR = /attribute `purpose` in context\b/;

const shiftFindings = (
  findings: readonly PolicyFinding[],
  from: number,
): readonly PolicyFinding[] =>
  findings.map((finding) => ({ ...finding, offset: finding.offset + from }));

/** `@id` without a text is an empty ID. */
const getPolicyId = (policy: PolicyJson): string | undefined => readAnnotation(policy, 'id');

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

const checkPolicyId = (
  part: ParsedPolicyPart,
  earlier: readonly ParsedPolicyPart[],
): readonly PolicyFinding[] => {
  const { id, json, from: offset } = part;
  const given = getPolicyId(json);
  if (given !== undefined && !ID.test(given)) {
    const expected = '@id("…") of 1 to 63 letters, digits, `.`, `_` and `-`';
    return [{ offset, expected, got: escapeUnprintable(`@id("${given}")`) }];
  }
  return earlier.some((each) => each.id === id)
    ? [{ offset, expected: 'each @id once', got: `another ${id}` }]
    : [];
};

/** Converts Cedar's errors: its message, and its hint. */
const toFindings = (
  errors: readonly DetailedError[],
  { text, from }: PolicyPart = { text: '', from: 0 },
): readonly PolicyFinding[] =>
  errors.map(({ message, help, sourceLocations }) => {
    const [place] = sourceLocations ?? [];
    const hint = help ?? place?.label ?? '';
    return {
      offset: from + toCharacterOffset(text, place?.start ?? 0),
      expected: `valid Cedar for the schema${hint === '' ? '' : ` (${escapeUnprintable(hint)})`}`,
      got: escapeUnprintable(stripPrefix(message)),
    };
  });

/** Cedar's validator begins messages with the name of the policy, which is a number here. */
const stripPrefix = (message: string, id?: string): string =>
  message.replace(/^for policy `\d+`, /, id === undefined ? '' : `${id}: `);
