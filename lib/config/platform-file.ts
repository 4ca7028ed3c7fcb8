import type { Platform } from '../contract/platform.ts';
import { rejectValue, type Reader } from '../schema/reader.ts';
import { readPlatform } from './platform-parser.ts';

/**
 * A reader of the file that a setting names; its faults name the file.
 *
 * @param readText answers a file's text; nothing where it cannot be read
 */
export const createPlatformFileReader =
  (readText: (path: string) => string | undefined): Reader<Platform> =>
  (given, setting, faults) => {
    const path = String(given);
    const text = readText(path);
    if (text === undefined) {
      return rejectValue(faults, {
        path: setting,
        expected: 'a file that can be read',
        value: path,
      });
    }
    const platform = readPlatform(text);
    if (platform.ok) return platform.value;
    faults.push(...platform.faults.map((fault) => ({ ...fault, source: path })));
    return rejectValue(faults, { path: setting, expected: "the platform's settings", value: path });
  };
