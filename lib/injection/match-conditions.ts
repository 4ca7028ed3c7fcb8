import { SIDECAR_CONTAINER, TASK_ANNOTATION_PREFIX, VOLUME_PREFIX } from '../contract/names.ts';

/** One of a webhook's `matchConditions`: a name and a CEL expression. */
export type MatchCondition = { readonly name: string; readonly expression: string };

type Subject = 'object' | 'oldObject';

/**
 * CEL for "this list or mapping exists and holds such a one". An absent object is null, an absent
 * member an error, and Go writes some empty lists as null.
 */
const anyOf = (subject: Subject, members: readonly string[], test: string): string => {
  const paths = members.map((_, index) => [subject, ...members.slice(0, index + 1)].join('.'));
  const path = [subject, ...members].join('.');
  const exists = paths.map((each) => `has(${each})`).join(' && ');
  return `(${subject} != null && ${exists} && ${path} != null && ${path}.exists(it, ${test}))`;
};

const declaresTask = (subject: Subject): string =>
  anyOf(subject, ['metadata', 'annotations'], `it.startsWith('${TASK_ANNOTATION_PREFIX}')`);

const holdsOurs = (subject: Subject): readonly string[] => [
  ...['containers', 'initContainers', 'ephemeralContainers'].map((list) =>
    anyOf(subject, ['spec', list], `it.name == '${SIDECAR_CONTAINER}'`),
  ),
  anyOf(subject, ['spec', 'volumes'], `it.name.startsWith('${VOLUME_PREFIX}')`),
];

/** The mutating webhook is asked for pods that declare a task: every other pod needs us for nothing. */
export const mutateConditions: readonly MatchCondition[] = [
  { name: 'declares-a-task', expression: declaresTask('object') },
];

/**
 * The validating webhook is asked by the same condition as {@link isAsked}. Under
 * `trust: authority` its audience will stand here, too.
 */
export const validateConditions: readonly MatchCondition[] = [
  {
    name: 'declares-a-task-or-holds-a-name-of-ours',
    expression: (['object', 'oldObject'] as const)
      .flatMap((subject) => [declaresTask(subject), ...holdsOurs(subject)])
      .join(' || '),
  },
];
