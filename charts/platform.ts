import { readPlatform } from '../lib/config/platform.ts';
import type { Platform } from '../lib/contract/platform.ts';
import { describeFault } from '../lib/reading/fault.ts';
import { at, ofKind, type KubernetesObject } from './objects.ts';

/** The settings of a rendering, read as the webhook reads them; or what is wrong with them. */
export const readRenderedPlatform = (objects: readonly KubernetesObject[]): Platform | string => {
  const [text] = ofKind(objects, 'ConfigMap')
    .map((object) => at(object, 'data[platform.yaml]'))
    .filter((found) => typeof found === 'string');
  if (text === undefined) return 'ConfigMap: expected platform.yaml, got none';
  const result = readPlatform(text);
  return result.ok ? result.value : `platform.yaml: ${result.faults.map(describeFault).join('; ')}`;
};
