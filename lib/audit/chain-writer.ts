import type { Clock } from '../contract/clock.ts';
import {
  linkRecord,
  NOTHING_BEFORE,
  SEAL_EVERY,
  type Attributes,
  type ChainLink,
  type Position,
} from './chain.ts';
import type { Head } from './heads.ts';
import type { SealingKey } from './sealing-keys.ts';
import { buildChainAttributes, buildEventAttributes, type ChainKind } from './ocsf.ts';
import type { AuditEvent } from './audit-event.ts';
import type { ChainStart } from './chain-resume.ts';

/** Builds the lines of one chain in order. It performs no I/O. */
export type ChainWriter = {
  /** The first record of this process. */
  readonly start: () => readonly string[];
  /** @throws Error when the event is invalid; the chain is unchanged */
  readonly event: (event: AuditEvent) => readonly string[];
  /** Empty when all records are sealed. */
  readonly checkpoint: () => readonly string[];
  /** States that the records up to these positions are about to be removed. */
  readonly prune: (positions: readonly Position[]) => readonly string[];
  readonly close: () => readonly string[];
  /** Whether the last record is sealed. */
  readonly isSealed: () => boolean;
  /** The newest sealed record; undefined before {@link ChainWriter.start}. */
  readonly sealed: () => Head | undefined;
};

export type ChainWriterSettings = {
  readonly key: SealingKey;
  readonly clock: Clock;
  readonly replica: string;
  /** Product version. */
  readonly version: string;
  /** Random, `[A-Za-z0-9_-]+`: chain IDs are unique. */
  readonly newId: () => string;
};

export const createChainWriter = (
  { resumes, after, partialWrite, interrupted }: ChainStart,
  { key, clock, replica, version, newId }: ChainWriterSettings,
): ChainWriter => {
  let position: Position = resumes ?? {
    chain: `${replica}.${newId()}`,
    sequence: -1,
    hash: NOTHING_BEFORE,
  };
  let sealed: Head | undefined;
  let unsealed = 0;

  const put = (attributes: Attributes, members: Partial<ChainLink>, sign?: SealingKey['sign']) => {
    const { chain: id, sequence, hash: previous } = position;
    const place = { id, sequence: sequence + 1, previous, ...members };
    const linked = linkRecord(attributes, place, sign);
    position = linked.position;
    unsealed += 1;
    return [linked.line];
  };
  const putSealed = (kind: ChainKind, members: Partial<ChainLink> = {}) => {
    const at = clock.now();
    const lines = put(buildChainAttributes(kind, at, version), members, key.sign);
    sealed = { ...position, at };
    unsealed = 0;
    return lines;
  };
  const start = () =>
    putSealed(resumes === undefined ? 'chain.started' : 'chain.resumed', {
      ...(after.length > 0 && { after }),
      ...(partialWrite !== undefined && { partial_write: partialWrite }),
      ...(interrupted !== undefined && { interrupted }),
    });
  const event = (given: AuditEvent) => {
    const lines = put(buildEventAttributes(given, version), {});
    return unsealed < SEAL_EVERY ? lines : [...lines, ...putSealed('chain.checkpoint')];
  };
  return {
    start,
    event,
    checkpoint: () => (unsealed === 0 ? [] : putSealed('chain.checkpoint')),
    prune: (pruned) => putSealed('chain.pruned', { pruned }),
    close: () => putSealed('chain.closed'),
    isSealed: () => unsealed === 0,
    sealed: () => sealed,
  };
};
