import type { LoadFigures } from './credential-load.ts';
import { FAULT_CASES, type FaultCase, type FaultId } from './fault-cases.ts';
import type { CallFigures, FaultMeasurement } from './fault-results.ts';

/** What a measurement shows that the text of its fault does not say, each with its numbers; none: as promised. */
export const listBrokenPromises = (
  id: FaultId,
  { load, calls }: FaultMeasurement,
): readonly string[] => {
  const given: FaultCase = FAULT_CASES[id];
  return [
    ...(load === undefined ? [] : listLost('requests for credentials', load, given)),
    ...(calls === undefined ? [] : listLost('calls', calls, given)),
    ...(calls === undefined ? [] : listUnaccounted(calls, given)),
  ];
};

const listLost = (
  what: string,
  { requests, lost, servedAfterEnd }: LoadFigures,
  { losesRequests = false }: FaultCase,
): readonly string[] => [
  ...(lost > 0 && !losesRequests ? [`expected no lost ${what}, got ${lost} of ${requests}`] : []),
  ...(servedAfterEnd > 0
    ? [`expected no ${what} after the end of their run, got ${servedAfterEnd} of ${requests}`]
    : []),
];

/** What the journal and the records do not say of the calls. */
const listUnaccounted = (
  { received, withoutLine, journaled, withoutRecord, verificationFaults }: CallFigures,
  { losesLines = false }: FaultCase,
): readonly string[] => [
  ...(withoutLine > 0 && !losesLines
    ? [
        `expected a line for each request that the cloud received, got none for ${withoutLine} of ${received}`,
      ]
    : []),
  ...(withoutRecord > 0 && !losesLines
    ? [`expected a record of each line, got none for ${withoutRecord} of ${journaled}`]
    : []),
  ...(verificationFaults > 0
    ? [`expected a journal without faults, got ${verificationFaults}`]
    : []),
];

/** @throws Error with the name of the fault if something valid was lost, or something ended was served */
export const checkPromises = (id: FaultId, measurement: FaultMeasurement): void => {
  const broken = listBrokenPromises(id, measurement);
  if (broken.length > 0) throw new Error(`${id}: ${broken.join('; ')}`);
};
