import { readPlatform } from '../../lib/config/platform-parser.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import {
  getValue,
  filterByKind,
  type KubernetesObject,
} from '../../test/kit/kubernetes-objects.ts';

/** Reads the platform settings of a rendering with the webhook's parser. @returns an error text if invalid */
export const readRenderedPlatform = (objects: readonly KubernetesObject[]): Platform | string => {
  const [text] = filterByKind(objects, 'ConfigMap')
    .map((object) => getValue(object, 'data[platform.yaml]'))
    .filter((found) => typeof found === 'string');
  if (text === undefined) return 'ConfigMap: expected platform.yaml, got none';
  const result = readPlatform(text);
  return result.ok
    ? result.value
    : `platform.yaml: ${result.faults.map(formatFieldError).join('; ')}`;
};
