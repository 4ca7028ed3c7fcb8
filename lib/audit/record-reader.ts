import { canonicalizeJson } from '../schema/canonical-json.ts';
import { isMapping } from '../schema/mapping.ts';
import { computeSha256, addChainMembers, type ChainLink, type Position } from './chain.ts';

/** A complete record, read from its line. Its position in a chain is not verified yet. */
export type ReadRecord = {
  readonly kind: string;
  readonly position: Position;
  readonly link: ChainLink;
  /** The text that its seal signs. */
  readonly sealedText: () => string;
  readonly body: Body;
};

type Body = Readonly<Record<string, unknown>>;

/** Why a line is not a record; `claims` is the position that it states, if readable. */
export type InvalidLine = {
  readonly code: 'invalid_record' | 'not_canonical' | 'modified';
  readonly expected: string;
  readonly got: string;
  readonly claims?: Position;
};

/** Whether the line may be another line of a log, because it does not claim to be a record. */
export const isForeign = ({ code }: InvalidLine): boolean => code === 'invalid_record';

export type ReadLineResult =
  | { readonly ok: true; readonly record: ReadRecord }
  | { readonly ok: false; readonly reason: InvalidLine };

const NO_RECORD: ReadLineResult = {
  ok: false,
  reason: { code: 'invalid_record', expected: 'a record', got: 'something else' },
};

/**
 * Reads one line, without its line break. Only canonical JSON is accepted: otherwise two readers could
 * see different contents (a duplicate member).
 */
export const readLine = (line: string): ReadLineResult => {
  try {
    const body = JSON.parse(line) as unknown;
    return isChained(body) ? checkRecord(line, body) : NO_RECORD;
  } catch {
    return NO_RECORD;
  }
};

const checkRecord = (line: string, body: ChainedBody): ReadLineResult => {
  const { hash, ...link } = body.unmapped.chain;
  const position = { chain: link.id, sequence: body.metadata.sequence, hash };
  if (canonicalizeJson(body) !== line) {
    const got = 'another form of the same JSON';
    return buildInvalidLine(
      { code: 'not_canonical', expected: 'canonical JSON (RFC 8785)', got },
      position,
    );
  }
  const bare = { ...body, unmapped: { ...body.unmapped, chain: link } };
  const actual = computeSha256(canonicalizeJson(bare));
  if (actual !== hash)
    return buildInvalidLine({ code: 'modified', expected: hash, got: actual }, position);
  const { kind } = body.unmapped;
  const sealedText = () => canonicalizeJson(omitSeal(bare));
  return { ok: true, record: { kind, position, link, sealedText, body } };
};

const buildInvalidLine = (why: Omit<InvalidLine, 'claims'>, claims: Position): ReadLineResult => ({
  ok: false,
  reason: { ...why, claims },
});

const omitSeal = <T extends { readonly unmapped: { readonly chain: ChainLink } }>(record: T) =>
  addChainMembers(record, { seal: undefined });

type ChainedBody = Body & {
  readonly metadata: { readonly sequence: number };
  readonly unmapped: {
    readonly kind: string;
    readonly chain: ChainLink & { readonly hash: string };
  };
};

const isChained = (body: unknown): body is ChainedBody => {
  if (!isMapping(body) || !isMapping(body['metadata']) || !isMapping(body['unmapped']))
    return false;
  const { kind, chain } = body['unmapped'];
  return typeof kind === 'string' && isSequence(body['metadata']['sequence']) && isLink(chain);
};

const isLink = (chain: unknown): boolean =>
  isMapping(chain) &&
  ['id', 'previous', 'hash'].every((name) => typeof chain[name] === 'string') &&
  isAbsentOr(chain['seal'], ({ key, signature }) => isText(key) && isText(signature)) &&
  isAbsentOr(chain['partial_write'], ({ bytes, sha256 }) => isSequence(bytes) && isText(sha256)) &&
  isAbsentOr(chain['interrupted'], isInterruption) &&
  [chain['after'], chain['pruned']].every(isOptionalList);

const isOptionalList = (value: unknown): boolean =>
  value === undefined || (Array.isArray(value) && value.every(isPosition));

const isInterruption = ({ sealed, unsealed }: Body): boolean =>
  (sealed === undefined || isPosition(sealed)) &&
  isAbsentOr(unsealed, ({ from, to }) => isPosition(from) && isPosition(to));

const isPosition = (value: unknown): boolean =>
  isMapping(value) &&
  isText(value['chain']) &&
  isSequence(value['sequence']) &&
  isText(value['hash']);

const isAbsentOr = (value: unknown, accepts: (members: Body) => boolean): boolean =>
  value === undefined || (isMapping(value) && accepts(value));

const isText = (value: unknown): value is string => typeof value === 'string';

const isSequence = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;
