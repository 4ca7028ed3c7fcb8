import {
  DOMAIN,
  INJECTED_LABEL,
  SIDECAR_CONTAINER,
  TASK_ANNOTATION_PREFIX,
  TOKEN_VOLUME,
  VOLUME_PREFIX,
} from '../../contract/names.ts';
import type { Pod } from '../../contract/pod.ts';
import { formatValue, type FieldError } from '../../schema/field-error.ts';
import {
  readAdmittedConsumers,
  hasTaskDeclarations,
  isInjected,
  listSidecars,
} from '../consumers.ts';
import { toJsonPointer } from '../json-patch.ts';
import { formatConsumerVolumeName } from '../injected-fields.ts';
import { LEFT_BEHIND_HINT } from '../mutator-hints.ts';
import type { RuleCheck } from './rule.ts';

/**
 * Rule 1: only injection uses reserved names. In a pod with the sidecar, what injection adds is
 * allowed here, and rule 2 compares it with the template.
 */
export const checkOwnNames: RuleCheck = (pod) => [
  ...checkDeclarations(pod),
  ...checkKeys(pod.metadata?.annotations, '/metadata/annotations', isDeclaration),
  ...checkKeys(
    pod.metadata?.labels,
    '/metadata/labels',
    (key) => isInjected(pod) && key === INJECTED_LABEL,
  ),
  ...checkContainerNames(pod),
  ...checkVolumeNames(pod),
];

const isDeclaration = (key: string): boolean => key.startsWith(TASK_ANNOTATION_PREFIX);

/** A copy of an injected pod without its annotations must not be mistaken for one. */
const checkDeclarations = (pod: Pod): readonly FieldError[] =>
  hasTaskDeclarations(pod)
    ? []
    : [
        {
          path: '/metadata/annotations',
          expected: `an annotation ${TASK_ANNOTATION_PREFIX}<task> in a pod that uses reserved names`,
          got: 'none',
        },
      ];

const checkKeys = (
  mapping: Readonly<Record<string, string>> | null | undefined,
  path: string,
  isAllowed: (key: string) => boolean,
): readonly FieldError[] =>
  Object.keys(mapping ?? {})
    .filter((key) => isReservedKey(key) && !isAllowed(key))
    .map((key) => ({
      path: `${path}${toJsonPointer(key)}`,
      expected: `no key under ${DOMAIN} except task declarations`,
      got: formatValue(key),
    }));

const isReservedKey = (key: string): boolean => {
  const slash = key.indexOf('/');
  const prefix = slash === -1 ? '' : key.slice(0, slash).toLowerCase();
  return prefix === DOMAIN || prefix.endsWith(`.${DOMAIN}`);
};

const checkContainerNames = (pod: Pod): readonly FieldError[] => {
  const injected = listSidecars(pod).find(({ list }) => list === 'initContainers');
  return listSidecars(pod)
    .filter(({ path }) => path !== injected?.path)
    .map(({ path }) => ({
      path: `${path}/name`,
      expected: 'another name: injection adds the sidecar',
      got: formatValue(SIDECAR_CONTAINER),
    }));
};

const checkVolumeNames = (pod: Pod): readonly FieldError[] => {
  const consumers = readAdmittedConsumers(pod);
  const allowed = new Set(
    consumers === undefined
      ? []
      : [TOKEN_VOLUME, ...consumers.map((_, index) => formatConsumerVolumeName(index))],
  );
  return (pod.spec?.volumes ?? []).flatMap(({ name }, index) => {
    // Rule 2 compares the first volume of each name; a second one is a violation.
    if (!name.startsWith(VOLUME_PREFIX) || allowed.delete(name)) return [];
    const path = `/spec/volumes/${index}/name`;
    return [
      {
        path,
        expected: `a name that does not begin with ${VOLUME_PREFIX}`,
        got: formatValue(name),
        ...(name === TOKEN_VOLUME && !isInjected(pod) && { hint: LEFT_BEHIND_HINT }),
      },
    ];
  });
};
