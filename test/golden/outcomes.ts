import type { FieldError, Result } from '../../lib/schema/field-error.ts';

/** Where a fault is and which rule it breaks; its human text is left out. */
export const faultPlace = ({ source, path, rule }: FieldError): string =>
  [
    ...(rule === undefined ? [] : [`rule ${rule}:`]),
    ...((source ?? '') ? [source] : []),
    path,
  ].join(' ');

/** The value, or the places of all faults. */
export const captureOutcome = <T>(result: Result<T>): object =>
  result.ok ? { value: result.value } : { faults: result.faults.map(faultPlace) };
