import { refuse, type Invalid, type Reader } from '../reading/reader.ts';

/** Characters that are not seen, or that change how their neighbours are seen. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/** Whether a text holds control, formatting (bidi) or half characters. */
export const hasHidden = (text: string): boolean => HIDDEN.test(text);

/** A string as another type: `convert` answers nothing for what it does not accept. */
export const converted =
  <T>(expected: string, convert: (text: string) => T | undefined): Reader<T> =>
  (value, path, faults): T | Invalid => {
    const result = typeof value === 'string' ? convert(value) : undefined;
    return result ?? refuse(faults, { path, expected, value });
  };
