import { NOTHING_BEFORE, SEAL_EVERY, type PartialWrite } from './chain.ts';
import { formatForeignText, type Place } from './audit-findings.ts';
import { isSealed } from './sealing-keys.ts';
import { getChainState, recordClaims, type VerificationState } from './verification-state.ts';
import { createHashIndex } from './hash-index.ts';
import { isForeign, readLine, type ReadRecord } from './record-reader.ts';
import { splitLines, type FileLine } from './line-splitter.ts';
import { checkContinuity, type Segment, type RecordLocation } from './segment.ts';
import { createUnreadLines, type UnreadLine } from './unread-lines.ts';

/** An audit file, or a log with records among other lines. */
export type AuditFile = {
  readonly name: string;
  readonly chunks: AsyncIterable<Uint8Array>;
};

/** A file of records that is no longer written to. */
export type ClosedFile = {
  readonly name: string;
  readonly bytes: number;
  /** As the file system states, in wall-clock milliseconds since the epoch; the last record is decisive. */
  readonly lastWrittenAt: number;
};

export type FileVerificationOptions = {
  /** Whether to ignore non-record lines. */
  readonly ignoresForeignLines: boolean;
  /** Called with each record that is whole. */
  readonly onRecord?: ((record: ReadRecord, place: Place) => void) | undefined;
};

/** Verifies one file line by line, each record against the previous one of its chain. */
export const verifyFile = async (
  { name, chunks }: AuditFile,
  state: VerificationState,
  { ignoresForeignLines, onRecord }: FileVerificationOptions,
): Promise<void> => {
  const segments = new Map<string, Segment>();
  const unread = createUnreadLines(state.findings, (line) =>
    reportUnreadLine(line, segments, state),
  );
  let line = 0;
  for await (const fileLine of splitLines(chunks)) {
    line += 1;
    const place = { file: name, line };
    const reading = readLine(decodeLine(fileLine));
    if (reading.ok) {
      onRecord?.(reading.record, place);
      unread.account(readPartialWrite(reading.record, state));
      if (!ignoresForeignLines || !isRepeated(reading.record, place, segments, state)) {
        addRecord(reading.record, place, segments, state);
      }
    } else if (!ignoresForeignLines || !isForeign(reading.reason)) {
      unread.add(fileLine, { ...place, reason: reading.reason });
    }
  }
  unread.end();
};

/** Only a process that starts states one, under its seal: any writer of the volume could add a record. */
const readPartialWrite = (
  { link: { partial_write: partialWrite, seal }, sealedText }: ReadRecord,
  { publicKeys }: VerificationState,
): PartialWrite | undefined => {
  if (partialWrite === undefined || seal === undefined) return undefined;
  return isSealed(sealedText(), seal, publicKeys) === true ? partialWrite : undefined;
};

/** Invalid UTF-8 becomes replacement characters, so the hash does not match. */
const decodeLine = ({ bytes }: FileLine): string => bytes.toString('utf8');

/** A modified record keeps the position that it states; otherwise it would be reported as a gap, too. */
const reportUnreadLine = (
  line: UnreadLine,
  segments: Map<string, Segment>,
  state: VerificationState,
): void => {
  const { code, expected, got, claims } = line.reason;
  state.findings.fault(line, code, {
    expected: formatForeignText(expected),
    got: formatForeignText(got),
  });
  const segment = claims && segments.get(claims.chain);
  if (segment === undefined || claims?.sequence !== segment.last.position.sequence + 1) return;
  segment.last = { ...segment.last, position: claims };
  segment.hashes.add(claims);
};

/** Whether a log has the record already: a process writes the last ones again after a crash. */
const isRepeated = (
  { position }: ReadRecord,
  place: Place,
  segments: ReadonlyMap<string, Segment>,
  { findings }: VerificationState,
): boolean => {
  const segment = segments.get(position.chain);
  if (segment?.hashes.find(position.sequence) !== position.hash) return false;
  const text = `the log has records of ${formatForeignText(position.chain)} twice`;
  if (!segment.hasRepeats) findings.note(place, 'repeated_records', text);
  segment.hasRepeats = true;
  return true;
};

const addRecord = (
  record: ReadRecord,
  place: Place,
  segments: Map<string, Segment>,
  state: VerificationState,
): void => {
  const { position, link } = record;
  const { time } = record.body;
  const at = typeof time === 'number' ? time : 0;
  const location: RecordLocation = { ...place, position, previous: link.previous, at };
  const isSealValid = checkSeal(record, place, state);
  checkChainStart(record, place, state);
  if (isSealValid) reportInterruption(record, place, state);
  recordClaims(state, link, { place, isSealValid });
  const segment = segments.get(position.chain);
  if (segment === undefined) {
    const started = newSegment(location);
    segments.set(position.chain, started);
    getChainState(state, position.chain).segments.push(started);
    countRecord(started, location, isSealValid, state);
  } else if (checkContinuity(segment.last, location, state.findings))
    countRecord(segment, location, isSealValid, state);
};

const newSegment = (first: RecordLocation): Segment => ({
  first,
  hashes: createHashIndex(),
  hasRepeats: false,
  last: first,
  records: 0,
  unsealedBefore: 0,
  unsealedAfter: 0,
  sealedThrough: undefined,
});

const countRecord = (
  segment: Segment,
  location: RecordLocation,
  isSealValid: boolean,
  state: VerificationState,
): void => {
  segment.last = location;
  segment.records += 1;
  segment.hashes.add(location.position);
  segment.unsealedAfter = isSealValid ? 0 : segment.unsealedAfter + 1;
  if (isSealValid) segment.sealedThrough = location.position;
  else if (segment.sealedThrough === undefined) segment.unsealedBefore += 1;
  if (segment.unsealedAfter === SEAL_EVERY + 1) reportUnsealed(location, state);
};

export const reportUnsealed = (place: Place, { findings }: VerificationState): void => {
  const expected = `a checkpoint after ${SEAL_EVERY} records at most`;
  findings.fault(place, 'unsealed', { expected, got: 'none' });
};

/** Whether the record has a valid seal. */
const checkSeal = (
  { kind, link: { seal }, sealedText }: ReadRecord,
  place: Place,
  { publicKeys, findings }: VerificationState,
): boolean => {
  if (seal === undefined) {
    const details = { expected: `a seal on ${formatForeignText(kind)}`, got: 'none' };
    if (kind.startsWith('chain.')) findings.fault(place, 'unsealed', details);
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

/** A restart states what it found when the process before had not closed its chain. */
const reportInterruption = (
  { link: { interrupted }, position }: ReadRecord,
  place: Place,
  { findings }: VerificationState,
): void => {
  if (interrupted === undefined) return;
  const { sealed, unsealed } = interrupted;
  const last = unsealed?.to ?? sealed ?? position;
  findings.unverified.push({
    ...place,
    code: unsealed === undefined ? 'open_before_restart' : 'unsealed_before_restart',
    chain: last.chain,
    sealedThrough: unsealed === undefined ? last.sequence : unsealed.from.sequence - 1,
    last: last.sequence,
  });
};

/** Only the first record starts a chain, and it has no previous record. */
const checkChainStart = (
  { kind, position, link }: ReadRecord,
  place: Place,
  { findings }: VerificationState,
): void => {
  const isFirst = position.sequence === 0;
  const begins = kind === 'chain.started' && link.previous === NOTHING_BEFORE;
  if (isFirst === (kind === 'chain.started') && (!isFirst || begins)) return;
  const expected = isFirst
    ? 'chain.started without a previous record'
    : 'chain.started as record 0 only';
  findings.fault(place, 'missing_start', { expected, got: `record ${position.sequence}` });
};
