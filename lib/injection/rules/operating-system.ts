import type { NodeSelectorRequirement, NodeSelectorTerm, Pod } from '../../contract/pod.ts';
import { formatValue, type FieldError } from '../../schema/field-error.ts';
import { listContainers } from '../containers.ts';
import { toJsonPointer } from '../json-patch.ts';

/** The kubelet labels its node with both; the second is deprecated. */
export const NODE_OS_LABELS: readonly string[] = ['kubernetes.io/os', 'beta.kubernetes.io/os'];

/** Only nodes of Windows have this label. */
export const WINDOWS_BUILD_LABEL = 'node.kubernetes.io/windows-build';

/** The part of rule 3 about Windows: the sidecar runs on Linux, and so does its isolation. */
export const checkOperatingSystem = (pod: Pod): readonly FieldError[] => [
  ...checkOsField(pod),
  ...checkNodeSelector(pod),
  ...checkNodeAffinity(pod),
  ...checkWindowsOptions(pod),
];

const checkOsField = ({ spec }: Pod): readonly FieldError[] =>
  spec?.os === undefined || spec.os.name === 'linux'
    ? []
    : [{ path: '/spec/os/name', expected: 'linux', got: formatValue(spec.os.name) }];

const checkNodeSelector = ({ spec }: Pod): readonly FieldError[] =>
  Object.entries(spec?.nodeSelector ?? {})
    .filter(([label, value]) =>
      NODE_OS_LABELS.includes(label) ? value !== 'linux' : label === WINDOWS_BUILD_LABEL,
    )
    .map(([label, value]) => ({
      path: `/spec/nodeSelector${toJsonPointer(label)}`,
      expected: NODE_OS_LABELS.includes(label) ? 'linux' : 'no label of Windows nodes',
      got: formatValue(value),
    }));

const checkNodeAffinity = ({ spec }: Pod): readonly FieldError[] => {
  const {
    requiredDuringSchedulingIgnoredDuringExecution: required,
    preferredDuringSchedulingIgnoredDuringExecution: preferred,
  } = spec?.affinity?.nodeAffinity ?? {};
  const path = '/spec/affinity/nodeAffinity';
  return [
    ...(required?.nodeSelectorTerms ?? []).flatMap((term, index) =>
      checkTerm(
        term,
        `${path}/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/${index}`,
      ),
    ),
    ...(preferred ?? []).flatMap(({ preference }, index) =>
      checkTerm(
        preference ?? {},
        `${path}/preferredDuringSchedulingIgnoredDuringExecution/${index}/preference`,
      ),
    ),
  ];
};

const checkTerm = ({ matchExpressions }: NodeSelectorTerm, path: string): readonly FieldError[] =>
  (matchExpressions ?? []).flatMap((requirement, index) =>
    selectsWindows(requirement)
      ? [
          {
            path: `${path}/matchExpressions/${index}`,
            expected: 'nodes of Linux only',
            got: formatValue(requirement),
          },
        ]
      : [],
  );

/** An operator that is not known selects Windows, too. */
const selectsWindows = ({ key, operator, values }: NodeSelectorRequirement): boolean => {
  if (key === WINDOWS_BUILD_LABEL) return operator !== 'DoesNotExist' && operator !== 'NotIn';
  if (!NODE_OS_LABELS.includes(key)) return false;
  if (operator === 'In') return (values ?? []).some((value) => value !== 'linux');
  if (operator === 'NotIn') return (values ?? []).includes('linux');
  return operator !== 'Exists';
};

const checkWindowsOptions = (pod: Pod): readonly FieldError[] =>
  [
    { path: '/spec', options: pod.spec?.securityContext?.windowsOptions },
    ...listContainers(pod).map(({ path, container }) => ({
      path,
      options: container.securityContext?.windowsOptions,
    })),
  ]
    .filter(({ options }) => options !== undefined)
    .map(({ path }) => ({
      path: `${path}/securityContext/windowsOptions`,
      expected: 'nothing: sidecars run on Linux',
      got: 'options for Windows',
    }));
