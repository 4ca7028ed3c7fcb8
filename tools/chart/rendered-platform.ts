import { readPlatform } from '../../lib/config/platform-parser.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import {
  getValue,
  filterByKind,
  type KubernetesObject,
} from '../../test/kit/kubernetes-objects.ts';

/** The settings of a rendering, read as the webhook reads them; or what is wrong with them. */
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
