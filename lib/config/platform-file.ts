import type { Platform } from '../contract/platform.ts';
import { refuse, type Reader } from '../reading/reader.ts';
import { readPlatform } from './platform.ts';

/**
 * A reader of the file that a setting names; its faults name the file.
 *
 * @param readText answers a file's text; nothing where it cannot be read
 */
export const platformFile =
  (readText: (path: string) => string | undefined): Reader<Platform> =>
  (given, setting, faults) => {
    const path = String(given);
    const text = readText(path);
    if (text === undefined) {
      return refuse(faults, { path: setting, expected: 'a file that can be read', value: path });
    }
    const platform = readPlatform(text);
    if (platform.ok) return platform.value;
    faults.push(...platform.faults.map((fault) => ({ ...fault, source: path })));
    return refuse(faults, { path: setting, expected: "the platform's settings", value: path });
  };
