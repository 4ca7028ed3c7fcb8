import { NEAR_MISS_PATTERN } from './near-misses.ts';
import { SIDECAR_CONTAINER, TASK_ANNOTATION_PREFIX, VOLUME_PREFIX } from '../contract/names.ts';

/** One of a webhook's `matchConditions`: a name and a CEL expression. */
export type MatchCondition = { readonly name: string; readonly expression: string };

type Subject = 'object' | 'oldObject';

/**
 * CEL for "this list or mapping exists and has an element that passes the test". An absent object is
 * null, an absent member is an error, and Go writes some empty lists as null.
 */
const buildExistsTest = (subject: Subject, members: readonly string[], test: string): string => {
  const paths = members.map((_, index) => [subject, ...members.slice(0, index + 1)].join('.'));
  const path = [subject, ...members].join('.');
  const exists = paths.map((each) => `has(${each})`).join(' && ');
  return `(${subject} != null && ${exists} && ${path} != null && ${path}.exists(it, ${test}))`;
};

const buildTaskTest = (subject: Subject, pod: readonly string[] = []): string =>
  buildExistsTest(
    subject,
    [...pod, 'metadata', 'annotations'],
    `it.startsWith('${TASK_ANNOTATION_PREFIX}')`,
  );

const buildReservedNameTests = (subject: Subject): readonly string[] => [
  ...['containers', 'initContainers', 'ephemeralContainers'].map((list) =>
    buildExistsTest(subject, ['spec', list], `it.name == '${SIDECAR_CONTAINER}'`),
  ),
  buildExistsTest(subject, ['spec', 'volumes'], `it.name.startsWith('${VOLUME_PREFIX}')`),
];

/** The API server calls the mutating webhook only for pods that declare a task. */
export const mutateConditions: readonly MatchCondition[] = [
  { name: 'declares-a-task', expression: buildTaskTest('object') },
];

/** Where the built-in workloads have their pod template, and a declaration may be by mistake. */
const WORKLOAD_PODS = [
  [],
  ['template'],
  ['spec', 'template'],
  ['spec', 'jobTemplate', 'spec', 'template'],
];

/** An annotation that was meant to declare a task. */
const buildNearMissTest = (pod: readonly string[]): string =>
  buildExistsTest(
    'object',
    [...pod, 'metadata', 'annotations'],
    `it.matches('${NEAR_MISS_PATTERN}') && !it.startsWith('${TASK_ANNOTATION_PREFIX}')`,
  );

/**
 * The API server calls the webhook that warns only for workloads that declare a task, and for pods and
 * workloads with an annotation that was meant to.
 */
export const workloadConditions: readonly MatchCondition[] = [
  {
    name: 'declares-a-task-or-nearly',
    expression: [
      `(request.kind.kind != 'Pod' && (${WORKLOAD_PODS.map((pod) => buildTaskTest('object', pod)).join(' || ')}))`,
      ...WORKLOAD_PODS.map(buildNearMissTest),
    ].join(' || '),
  },
];

const buildTokenTest = (subject: Subject, audience: string): string => {
  const token = 'source.serviceAccountToken';
  const ofAudience = `has(${token}) && has(${token}.audience) && ${token}.audience == ${audience}`;
  const sources = 'it.projected.sources';
  const test = `has(it.projected) && has(${sources}) && ${sources} != null && ${sources}.exists(source, ${ofAudience})`;
  return buildExistsTest(subject, ['spec', 'volumes'], test);
};

const buildConditions = (
  name: string,
  tests: (subject: Subject) => readonly string[],
): readonly MatchCondition[] => [
  { name, expression: (['object', 'oldObject'] as const).flatMap(tests).join(' || ') },
];

/** The validating webhook's condition under `trust: cluster`, the same as `isInScope`. */
export const validateConditions: readonly MatchCondition[] = buildConditions(
  'declares-a-task-or-holds-a-name-of-ours',
  (subject) => [buildTaskTest(subject), ...buildReservedNameTests(subject)],
);

/**
 * The same under `trust: authority`: also for pods that project a token for the authority.
 *
 * @param audience a CEL string literal, such as a JSON string; a placeholder that is replaced later
 *   works too
 */
export const buildAuthorityValidateConditions = (audience: string): readonly MatchCondition[] =>
  buildConditions('declares-a-task-or-holds-a-name-or-token-of-ours', (subject) => [
    buildTaskTest(subject),
    ...buildReservedNameTests(subject),
    buildTokenTest(subject, audience),
  ]);
