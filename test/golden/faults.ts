import type { Fault, Result } from '../../lib/reading/fault.ts';

/** Where a fault is and which rule it breaks; its human text is left out. */
export const faultPlace = ({ source, path, rule }: Fault): string =>
  [
    ...(rule === undefined ? [] : [`rule ${rule}:`]),
    ...((source ?? '') ? [source] : []),
    path,
  ].join(' ');

/** The value, or the places of all faults. */
export const outcomeOf = <T>(result: Result<T>): object =>
  result.ok ? { value: result.value } : { faults: result.faults.map(faultPlace) };
