import {
  DOMAIN,
  INJECTED_LABEL,
  SIDECAR_CONTAINER,
  TASK_ANNOTATION_PREFIX,
  TOKEN_VOLUME,
  VOLUME_PREFIX,
} from '../../contract/names.ts';
import type { Pod } from '../../contract/pod.ts';
import { show, type Fault } from '../../reading/fault.ts';
import { admittedConsumers, declaresTasks, isInjected, sidecarsOf } from '../consumers.ts';
import { pointer } from '../json-patch.ts';
import { consumerVolumeName } from '../sidecar.ts';
import type { Judge } from './rule.ts';

/**
 * Rule 1: nobody but us uses our names. What injection itself puts there is welcome in a pod that
 * has our sidecar, and rule 2 holds it against a profile.
 */
export const judgeOwnNames: Judge = (pod) => [
  ...declarations(pod),
  ...keys(pod.metadata?.annotations, '/metadata/annotations', isDeclaration),
  ...keys(
    pod.metadata?.labels,
    '/metadata/labels',
    (key) => isInjected(pod) && key === INJECTED_LABEL,
  ),
  ...containers(pod),
  ...volumes(pod),
];

const isDeclaration = (key: string): boolean => key.startsWith(TASK_ANNOTATION_PREFIX);

/** A copy of an injected pod that lost its annotations must not pass for one. */
const declarations = (pod: Pod): readonly Fault[] =>
  declaresTasks(pod)
    ? []
    : [
        {
          path: '/metadata/annotations',
          expected: `an annotation ${TASK_ANNOTATION_PREFIX}<task> in a pod that uses names of Valetkey`,
          got: 'none',
        },
      ];

const keys = (
  mapping: Readonly<Record<string, string>> | null | undefined,
  path: string,
  isWelcome: (key: string) => boolean,
): readonly Fault[] =>
  Object.keys(mapping ?? {})
    .filter((key) => isOurs(key) && !isWelcome(key))
    .map((key) => ({
      path: `${path}${pointer(key)}`,
      expected: `no key under ${DOMAIN} but task declarations`,
      got: show(key),
    }));

const isOurs = (key: string): boolean => {
  const slash = key.indexOf('/');
  const prefix = slash === -1 ? '' : key.slice(0, slash).toLowerCase();
  return prefix === DOMAIN || prefix.endsWith(`.${DOMAIN}`);
};

const containers = (pod: Pod): readonly Fault[] => {
  const ours = sidecarsOf(pod).find(({ list }) => list === 'initContainers');
  return sidecarsOf(pod)
    .filter(({ path }) => path !== ours?.path)
    .map(({ path }) => ({
      path: `${path}/name`,
      expected: 'a name of its own: the sidecar is injected',
      got: show(SIDECAR_CONTAINER),
    }));
};

const volumes = (pod: Pod): readonly Fault[] => {
  const consumers = admittedConsumers(pod);
  const welcome = new Set(
    consumers === undefined
      ? []
      : [TOKEN_VOLUME, ...consumers.map((_, index) => consumerVolumeName(index))],
  );
  return (pod.spec?.volumes ?? []).flatMap(({ name }, index) => {
    // The first of a name is rule 2's to compare; a second one is nobody's.
    if (!name.startsWith(VOLUME_PREFIX) || welcome.delete(name)) return [];
    const path = `/spec/volumes/${index}/name`;
    return [
      { path, expected: `a name that does not begin with ${VOLUME_PREFIX}`, got: show(name) },
    ];
  });
};
