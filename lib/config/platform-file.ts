import type { Platform } from '../contract/platform.ts';
import { rejectValue, type Reader } from '../schema/reader.ts';
import { readPlatform } from './platform-parser.ts';

/**
 * Creates a reader of the settings file that a variable names. Errors have the file as `source`.
 *
 * @param readText returns the text of a file; undefined if it cannot be read
 */
export const createPlatformFileReader =
  (readText: (path: string) => string | undefined): Reader<Platform> =>
  (given, setting, faults) => {
    const path = String(given);
    const text = readText(path);
    if (text === undefined) {
      return rejectValue(faults, {
        path: setting,
        expected: 'a readable file',
        value: path,
      });
    }
    const platform = readPlatform(text);
    if (platform.ok) return platform.value;
    faults.push(...platform.faults.map((fault) => ({ ...fault, source: path })));
    return rejectValue(faults, { path: setting, expected: "the platform's settings", value: path });
  };
