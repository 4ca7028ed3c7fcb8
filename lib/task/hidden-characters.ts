import { rejectValue, type Invalid, type Reader } from '../schema/reader.ts';

/** Characters that are invisible or change how adjacent characters are displayed. */
const HIDDEN_CHARACTER = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/** Whether a text contains control or formatting (bidirectional) characters or unpaired surrogates. */
export const hasHiddenCharacters = (text: string): boolean => HIDDEN_CHARACTER.test(text);

/** Reads a string as another type. `convert` returns undefined for a string that it does not accept. */
export const convertText =
  <T>(expected: string, convert: (text: string) => T | undefined): Reader<T> =>
  (value, path, faults): T | Invalid => {
    const result = typeof value === 'string' ? convert(value) : undefined;
    return result ?? rejectValue(faults, { path, expected, value });
  };
