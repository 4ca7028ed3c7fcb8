import { TASK_ANNOTATION_PREFIX } from '../contract/names.ts';

/** What nearly every misspelled prefix contains. The chart has the same expression in CEL. */
export const NEAR_MISS = /valet[-_]?key/i;

/**
 * Finds annotations that were meant to declare a task but miss the prefix: `tasks.valetkey.dev/x`,
 * `task.valetkey.dev.x`, `valetkey.dev/x`. They declare nothing, so that the pod runs without credentials.
 *
 * @returns one line for each, with the right key
 */
export const findNearMisses = (annotations: object): readonly string[] =>
  Object.keys(annotations)
    .filter((key) => NEAR_MISS.test(key) && !key.startsWith(TASK_ANNOTATION_PREFIX))
    .map(
      (key) =>
        `annotation ${key} declares no task: did you mean ${TASK_ANNOTATION_PREFIX}${readName(key)}?`,
    );

/** What follows the misspelled prefix. */
const readName = (key: string): string => {
  const [, name = ''] = /^.*valet[-_]?key(?:\.dev)?[^a-z0-9]*(.*)$/.exec(key.toLowerCase()) ?? [];
  return name === '' ? '<task>' : name;
};
