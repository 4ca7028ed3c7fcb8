import { NOTHING_BEFORE, SEAL_EVERY } from './chain.ts';
import { formatForeignText, type Place } from './audit-findings.ts';
import { isSealed } from './sealing-keys.ts';
import { getChainState, recordPosition, type VerificationState } from './verification-state.ts';
import { isForeign, readLine, type ReadRecord } from './record-reader.ts';
import { splitLines, type FileLine } from './line-splitter.ts';
import { checkContinuity, type Segment, type RecordLocation } from './segment.ts';
import { createUnreadLines, type UnreadLine } from './unread-lines.ts';

/** A file of records, or a log that holds records among other lines. */
export type AuditFile = {
  readonly name: string;
  readonly chunks: AsyncIterable<Uint8Array>;
};

/**
 * Judges one file, line by line, each record against the one before it of its chain.
 *
 * @param ignoresForeignLines whether lines that are no records are passed over
 */
export const verifyFile = async (
  { name, chunks }: AuditFile,
  ledger: VerificationState,
  ignoresForeignLines: boolean,
): Promise<void> => {
  const segments = new Map<string, Segment>();
  const unread = createUnreadLines(ledger.findings, (line) =>
    reportUnreadLine(line, segments, ledger),
  );
  let line = 0;
  for await (const fileLine of splitLines(chunks)) {
    line += 1;
    const place = { file: name, line };
    const reading = readLine(decodeLine(fileLine));
    if (reading.ok) {
      unread.account(reading.record.link.partial_write);
      addRecord(reading.record, place, segments, ledger);
    } else if (!ignoresForeignLines || !isForeign(reading.reason)) {
      unread.add(fileLine, { ...place, reason: reading.reason });
    }
  }
  unread.end();
};

/** Bytes that are no UTF-8 become characters that no hash fits. */
const decodeLine = ({ bytes }: FileLine): string => bytes.toString('utf8');

/** A record that was edited keeps its place, where it still says which: else it would be a hole too. */
const reportUnreadLine = (
  line: UnreadLine,
  segments: Map<string, Segment>,
  ledger: VerificationState,
): void => {
  const { code, expected, got, claims } = line.reason;
  ledger.findings.fault(line, code, {
    expected: formatForeignText(expected),
    got: formatForeignText(got),
  });
  const segment = claims && segments.get(claims.chain);
  if (segment === undefined || claims?.sequence !== segment.last.position.sequence + 1) return;
  segment.last = { ...segment.last, position: claims };
};

const addRecord = (
  record: ReadRecord,
  place: Place,
  segments: Map<string, Segment>,
  ledger: VerificationState,
): void => {
  const { position, link } = record;
  const spot: RecordLocation = { ...place, position, previous: link.previous };
  const isHeld = checkSeal(record, place, ledger);
  checkChainStart(record, place, ledger);
  recordPosition(ledger, position, link, place);
  const segment = segments.get(position.chain);
  if (segment === undefined) {
    const begun = newSegment(spot);
    segments.set(position.chain, begun);
    getChainState(ledger, position.chain).segments.push(begun);
    countRecord(begun, spot, isHeld, ledger);
  } else if (checkContinuity(segment.last, spot, ledger.findings))
    countRecord(segment, spot, isHeld, ledger);
};

const newSegment = (first: RecordLocation): Segment => ({
  first,
  last: first,
  records: 0,
  unsealedBefore: 0,
  unsealedAfter: 0,
  sealedThrough: undefined,
});

const countRecord = (
  segment: Segment,
  spot: RecordLocation,
  isHeld: boolean,
  ledger: VerificationState,
): void => {
  segment.last = spot;
  segment.records += 1;
  segment.unsealedAfter = isHeld ? 0 : segment.unsealedAfter + 1;
  if (isHeld) segment.sealedThrough = spot.position;
  else if (segment.sealedThrough === undefined) segment.unsealedBefore += 1;
  if (segment.unsealedAfter === SEAL_EVERY + 1) reportUnsealed(spot, ledger);
};

export const reportUnsealed = (place: Place, { findings }: VerificationState): void => {
  const expected = `a checkpoint after ${SEAL_EVERY} records at most`;
  findings.fault(place, 'unsealed', { expected, got: 'none' });
};

/** Whether the record bears a seal that holds. */
const checkSeal = (
  { kind, link: { seal }, sealedText }: ReadRecord,
  place: Place,
  { publicKeys, findings }: VerificationState,
): boolean => {
  if (seal === undefined) {
    const said = { expected: `a seal on ${formatForeignText(kind)}`, got: 'none' };
    if (kind.startsWith('chain.')) findings.fault(place, 'unsealed', said);
    return false;
  }
  const holds = isSealed(sealedText(), seal, publicKeys);
  if (holds === undefined) {
    const expected = `a seal by one of ${[...publicKeys.keys()].join(', ')}`;
    findings.fault(place, 'unknown_key', { expected, got: formatForeignText(seal.key) });
  } else if (!holds) {
    const expected = `a signature by ${formatForeignText(seal.key)}`;
    findings.fault(place, 'invalid_signature', { expected, got: 'another' });
  }
  return holds === true;
};

/** Only the first record begins a chain, and nothing stands before it. */
const checkChainStart = (
  { kind, position, link }: ReadRecord,
  place: Place,
  { findings }: VerificationState,
): void => {
  const isFirst = position.sequence === 0;
  const begins = kind === 'chain.started' && link.previous === NOTHING_BEFORE;
  if (isFirst === (kind === 'chain.started') && (!isFirst || begins)) return;
  const expected = isFirst
    ? 'chain.started with nothing before it'
    : 'chain.started as record 0 only';
  findings.fault(place, 'missing_start', { expected, got: `record ${position.sequence}` });
};
