import { NOTHING_BEFORE, SEAL_EVERY } from './chain.ts';
import { plain, type Place } from './findings.ts';
import { isSealed } from './keys.ts';
import { knownChain, remember, type Ledger } from './ledger.ts';
import { isForeign, readLine, type ReadRecord } from './line.ts';
import { linesOf, type FileLine } from './lines.ts';
import { follow, type Segment, type Spot } from './segment.ts';
import { openUnreadLines, type UnreadLine } from './unread-lines.ts';

/** A file of records, or a log that holds records among other lines. */
export type AuditFile = {
  readonly name: string;
  readonly chunks: AsyncIterable<Uint8Array>;
};

/**
 * Judges one file, line by line, each record against the one before it of its chain.
 *
 * @param allowsForeign whether lines that are no records are passed over
 */
export const walkFile = async (
  { name, chunks }: AuditFile,
  ledger: Ledger,
  allowsForeign: boolean,
): Promise<void> => {
  const segments = new Map<string, Segment>();
  const unread = openUnreadLines(ledger.findings, (line) => reportUnread(line, segments, ledger));
  let line = 0;
  for await (const fileLine of linesOf(chunks)) {
    line += 1;
    const place = { file: name, line };
    const reading = readLine(textOf(fileLine));
    if (reading.ok) {
      unread.account(reading.record.link.torn);
      placeRecord(reading.record, place, segments, ledger);
    } else if (!allowsForeign || !isForeign(reading.why)) {
      unread.add(fileLine, { ...place, why: reading.why });
    }
  }
  unread.end();
};

/** Bytes that are no UTF-8 become characters that no hash fits. */
const textOf = ({ bytes }: FileLine): string => bytes.toString('utf8');

/** A record that was edited keeps its place, where it still says which: else it would be a hole too. */
const reportUnread = (line: UnreadLine, segments: Map<string, Segment>, ledger: Ledger): void => {
  const { code, expected, got, claims } = line.why;
  ledger.findings.fault(line, code, { expected: plain(expected), got: plain(got) });
  const segment = claims && segments.get(claims.chain);
  if (segment === undefined || claims?.sequence !== segment.last.position.sequence + 1) return;
  segment.last = { ...segment.last, position: claims };
};

const placeRecord = (
  record: ReadRecord,
  place: Place,
  segments: Map<string, Segment>,
  ledger: Ledger,
): void => {
  const { position, link } = record;
  const spot: Spot = { ...place, position, previous: link.previous };
  const isHeld = checkSeal(record, place, ledger);
  checkBeginning(record, place, ledger);
  remember(ledger, position, link, place);
  const segment = segments.get(position.chain);
  if (segment === undefined) {
    const begun = newSegment(spot);
    segments.set(position.chain, begun);
    knownChain(ledger, position.chain).segments.push(begun);
    count(begun, spot, isHeld, ledger);
  } else if (follow(segment.last, spot, ledger.findings)) count(segment, spot, isHeld, ledger);
};

const newSegment = (first: Spot): Segment => ({
  first,
  last: first,
  records: 0,
  unsealedBefore: 0,
  unsealedAfter: 0,
  sealedThrough: undefined,
});

const count = (segment: Segment, spot: Spot, isHeld: boolean, ledger: Ledger): void => {
  segment.last = spot;
  segment.records += 1;
  segment.unsealedAfter = isHeld ? 0 : segment.unsealedAfter + 1;
  if (isHeld) segment.sealedThrough = spot.position;
  else if (segment.sealedThrough === undefined) segment.unsealedBefore += 1;
  if (segment.unsealedAfter === SEAL_EVERY + 1) reportUnsealed(spot, ledger);
};

export const reportUnsealed = (place: Place, { findings }: Ledger): void => {
  const expected = `a checkpoint after ${SEAL_EVERY} records at most`;
  findings.fault(place, 'unsealed', { expected, got: 'none' });
};

/** Whether the record bears a seal that holds. */
const checkSeal = (
  { kind, link: { seal }, sealedText }: ReadRecord,
  place: Place,
  { publicKeys, findings }: Ledger,
): boolean => {
  if (seal === undefined) {
    const said = { expected: `a seal on ${plain(kind)}`, got: 'none' };
    if (kind.startsWith('chain.')) findings.fault(place, 'unsealed', said);
    return false;
  }
  const holds = isSealed(sealedText(), seal, publicKeys);
  if (holds === undefined) {
    const expected = `a seal by one of ${[...publicKeys.keys()].join(', ')}`;
    findings.fault(place, 'unknown_key', { expected, got: plain(seal.key) });
  } else if (!holds) {
    const expected = `a signature by ${plain(seal.key)}`;
    findings.fault(place, 'forged_seal', { expected, got: 'another' });
  }
  return holds === true;
};

/** Only the first record begins a chain, and nothing stands before it. */
const checkBeginning = (
  { kind, position, link }: ReadRecord,
  place: Place,
  { findings }: Ledger,
): void => {
  const isFirst = position.sequence === 0;
  const begins = kind === 'chain.begun' && link.previous === NOTHING_BEFORE;
  if (isFirst === (kind === 'chain.begun') && (!isFirst || begins)) return;
  const expected = isFirst ? 'chain.begun with nothing before it' : 'chain.begun as record 0 only';
  findings.fault(place, 'no_beginning', { expected, got: `record ${position.sequence}` });
};
