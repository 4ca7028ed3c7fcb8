import { SIDECAR_ENV } from '../../contract/environment.ts';
import { SIDECAR_CONTAINER } from '../../contract/names.ts';
import type { Pod } from '../../contract/pod.ts';
import type { Task } from '../../contract/task.ts';
import { formatValue, type FieldError } from '../../schema/field-error.ts';
import {
  isApiTokenContainer,
  isApiTokenKept,
  isApiTokenVolume,
  listTokenMounts,
} from '../api-token.ts';
import {
  readAdmittedConsumers,
  listConsumers,
  listOtherContainers,
  findTemplateHash,
  listSidecars,
} from '../consumers.ts';
import type { PlacedContainer } from '../containers.ts';
import { findDifferences } from '../equality.ts';
import { toJsonPointer } from '../json-patch.ts';
import type { AcceptedTemplates, InjectionTemplate } from '../injection-template.ts';
import {
  buildInjectedFields,
  formatConsumerVolumeName,
  listConsumerEnvGroups,
  type InjectedFields,
} from '../injected-fields.ts';
import { allowedSidecarDifferences, ALLOWED_VOLUME_DIFFERENCES } from '../allowed-differences.ts';
import { CHANGE_HINT, COUNT_HINT, findMutatorHint, PLACE_HINT } from '../mutator-hints.ts';
import { listMisplaced } from '../sidecar-place.ts';
import type { RuleCheck, RuleContext } from './rule.ts';

/** Rule 2: the injected parts exist once, come first, and equal an accepted template. */
export const checkSidecarEquality: RuleCheck = (pod, context) => {
  const sidecars = listSidecars(pod).filter(({ list }) => list === 'initContainers');
  const [sidecar] = sidecars;
  if (sidecar === undefined || sidecars.length > 1) return [buildCountError(sidecars.length)];
  const named = findNamedTemplate(pod, context.templates);
  if (named.template === undefined) return [buildUnknownTemplateError(sidecar, named.hash)];
  const { hash, template } = named;
  const consumers = readAdmittedConsumers(pod) ?? [];
  const expected = buildInjectedFields({ hash, template }, { consumers, tasks: context.tasks });
  return [
    ...checkSidecarOrder(pod, sidecar, consumers),
    ...checkConsumers(pod, sidecar, consumers, context),
    ...compareSidecar(sidecar, expected, context),
    ...[
      ...compareVolumes(pod, expected),
      ...checkLabel(pod, template),
      ...consumers.flatMap((name, index) =>
        checkConsumerAdditions(pod, template, { name, index, tasks: context.tasks }),
      ),
    ].map((fault) => ({ ...fault, hint: CHANGE_HINT })),
    ...checkApiToken(pod, context),
  ];
};

/** The template that the pod's sidecar names. `template` is undefined if it is not accepted. */
export const findNamedTemplate = (
  pod: Pod,
  templates: AcceptedTemplates,
): { readonly hash: string; readonly template: InjectionTemplate | undefined } => {
  const hash = findTemplateHash(pod) ?? '';
  return { hash, template: templates.get(hash) };
};

const buildCountError = (count: number): FieldError => ({
  path: '/spec/initContainers',
  expected: `exactly one ${SIDECAR_CONTAINER}, as it was injected`,
  got: String(count),
  ...(count === 0 && { hint: COUNT_HINT }),
});

const buildUnknownTemplateError = ({ path }: PlacedContainer, hash: string): FieldError => ({
  path: `${path}/env`,
  expected: `${SIDECAR_ENV.injectionTemplate} of an accepted injection template`,
  got: formatValue(hash),
});

const checkSidecarOrder = (
  pod: Pod,
  sidecar: PlacedContainer,
  consumers: readonly string[],
): readonly FieldError[] =>
  listMisplaced(pod, sidecar, consumers).map(({ path, container }) => ({
    path,
    expected: `${SIDECAR_CONTAINER} before every ordinary init container and every consumer`,
    got: `${formatValue(container.name)} before it`,
    hint: PLACE_HINT,
  }));

/** The consumers in the sidecar are those of the declarations, in any order. */
const checkConsumers = (
  pod: Pod,
  { path }: PlacedContainer,
  consumers: readonly string[],
  { tasks }: RuleContext,
): readonly FieldError[] => {
  const declared = [...listConsumers(pod, tasks)].sort();
  const admitted = [...consumers].sort();
  const isSame = JSON.stringify(declared) === JSON.stringify(admitted);
  const expected = `the consumers that the tasks declare: ${formatValue(declared)}`;
  return isSame ? [] : [{ path: `${path}/env`, expected, got: formatValue(admitted) }];
};

const compareSidecar = (
  { container, path }: PlacedContainer,
  { sidecar }: InjectedFields,
  { platform }: RuleContext,
): readonly FieldError[] =>
  findDifferences(sidecar, container, {
    path: () => path,
    pattern: '',
    comparisons: allowedSidecarDifferences(platform.sidecar.allowedChanges, sidecar),
  }).map((fault) => addHint(fault, fault.path.slice(path.length)));

const addHint = (fault: FieldError, field: string): FieldError => {
  const hint = findMutatorHint(field);
  return hint === undefined ? fault : { ...fault, hint };
};

const compareVolumes = (pod: Pod, { volumes }: InjectedFields): readonly FieldError[] => {
  const found = pod.spec?.volumes ?? [];
  return volumes.flatMap((volume) => {
    const index = found.findIndex(({ name }) => name === volume.name);
    return findDifferences(volume, found[index], {
      path: () => `/spec/volumes/${index === -1 ? '-' : index}`,
      pattern: '',
      comparisons: ALLOWED_VOLUME_DIFFERENCES,
    });
  });
};

const checkLabel = (pod: Pod, { label }: InjectionTemplate): readonly FieldError[] => {
  const value = pod.metadata?.labels?.[label.name];
  const path = `/metadata/labels${toJsonPointer(label.name)}`;
  return value === label.value
    ? []
    : [{ path, expected: formatValue(label.value), got: formatValue(value) }];
};

const checkApiToken = (pod: Pod, context: RuleContext): readonly FieldError[] => {
  if (isApiTokenKept(pod, context.platform)) return [];
  const requested = pod.spec?.automountServiceAccountToken;
  const path = '/spec/automountServiceAccountToken';
  return [
    ...(requested === false
      ? []
      : [{ path, expected: 'false, as injected', got: formatValue(requested) }]),
    ...checkApiTokenMounts(pod, context),
  ];
};

/** Only containers that the platform lists mount the token, and without them there is no volume. */
const checkApiTokenMounts = (pod: Pod, context: RuleContext): readonly FieldError[] => {
  const { platform, phase, user = '' } = context;
  const consumers = readAdmittedConsumers(pod) ?? [];
  // Who updates a pod did not create it.
  const createdBy = phase === 'CREATE' ? user : ({ any: true } as const);
  const isKept = (placed: PlacedContainer): boolean =>
    isApiTokenContainer(placed, { platform, consumers, createdBy });
  const kept = new Set(listTokenMounts(pod, isKept).map(({ volume }) => volume));
  const mounts = listTokenMounts(pod, (placed) => !isKept(placed));
  return [
    ...(pod.spec?.volumes ?? []).flatMap(({ name }, index) =>
      isApiTokenVolume({ name }) && !kept.has(name)
        ? [
            {
              path: `/spec/volumes/${index}`,
              expected: 'no volume with the API token',
              got: formatValue(name),
            },
          ]
        : [],
    ),
    ...mounts
      .filter(({ volume }) => kept.has(volume))
      .map((mount) => ({
        path: mount.path,
        expected: 'no mount of the API token: pods.apiTokenContainers does not list this container',
        got: formatValue(mount.volume),
      })),
  ];
};

/** Finds what is missing. Rule 6 checks mounts that exist, rule 7 checks values. */
const checkConsumerAdditions = (
  pod: Pod,
  template: InjectionTemplate,
  {
    name,
    index,
    tasks,
  }: { readonly name: string; readonly index: number; readonly tasks: readonly Task[] },
): readonly FieldError[] =>
  listOtherContainers(pod)
    .filter(({ container }) => container.name === name)
    .flatMap(({ path, container }) => {
      const volume = formatConsumerVolumeName(index);
      const isMounted = (container.volumeMounts ?? []).some((mount) => mount.name === volume);
      const names = new Set((container.env ?? []).map((variable) => variable.name));
      const groups = listConsumerEnvGroups(template, name, tasks);
      return [
        ...(isMounted
          ? []
          : [{ path: `${path}/volumeMounts`, expected: `a mount of ${volume}`, got: 'none' }]),
        ...groups
          .filter((group) => !group.some((variable) => names.has(variable.name)))
          .map((group) => ({
            path: `${path}/env`,
            expected: group
              .map((variable) => `${variable.name}=${variable.value ?? ''}`)
              .join(', '),
            got: 'nothing',
          })),
      ];
    });
