import { rejectValue, type Invalid, type Reader } from '../schema/reader.ts';

/** Characters that are not seen, or that change how their neighbours are seen. */
const HIDDEN_CHARACTER = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/** Whether a text holds control, formatting (bidi) or half characters. */
export const hasHiddenCharacters = (text: string): boolean => HIDDEN_CHARACTER.test(text);

/** A string as another type: `convert` answers nothing for what it does not accept. */
export const convertText =
  <T>(expected: string, convert: (text: string) => T | undefined): Reader<T> =>
  (value, path, faults): T | Invalid => {
    const result = typeof value === 'string' ? convert(value) : undefined;
    return result ?? rejectValue(faults, { path, expected, value });
  };
