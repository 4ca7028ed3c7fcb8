import type { LoadFigures } from './credential-load.ts';
import { FAULT_CASES, type FaultCase, type FaultId } from './fault-cases.ts';
import type { FaultMeasurement } from './fault-results.ts';

/** What a measurement shows that the text of its fault does not say, each with its numbers; none: as promised. */
export const listBrokenPromises = (id: FaultId, { load }: FaultMeasurement): readonly string[] => {
  const given: FaultCase = FAULT_CASES[id];
  return load === undefined ? [] : listLost('requests for credentials', load, given);
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

/** @throws Error with the name of the fault if something valid was lost, or something ended was served */
export const checkPromises = (id: FaultId, measurement: FaultMeasurement): void => {
  const broken = listBrokenPromises(id, measurement);
  if (broken.length > 0) throw new Error(`${id}: ${broken.join('; ')}`);
};
