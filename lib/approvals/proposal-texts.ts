import { TASK_ANNOTATION_PREFIX } from '../contract/names.ts';
import type { Task, TaskStatement } from '../contract/task.ts';

/** YAML and Cedar read these as JSON does; the texts have no control characters. */
const quote = (text: string): string => JSON.stringify(text);
const quoteAll = (texts: readonly string[]): string => `[${texts.map(quote).join(', ')}]`;

/** Renders the members of `allow` in the annotation of a task, one line each. */
export const renderAllow = (allow: readonly TaskStatement[]): readonly string[] =>
  allow.flatMap(({ actions, resources }) => [
    `  - actions: ${quoteAll(actions)}`,
    `    resources: ${quoteAll(resources)}`,
  ]);

/** Renders what a person adds to the annotation of a task, as a diff. */
export const renderAnnotationDiff = (
  { name }: Pick<Task, 'name'>,
  allow: readonly TaskStatement[],
): string => {
  const key = `${TASK_ANNOTATION_PREFIX}${name}`;
  const lines = renderAllow(allow).map((line) => `+${line}`);
  return [`--- ${key}`, `+++ ${key}`, '@@ allow @@', ...lines, ''].join('\n');
};

const renderTest = (attribute: string, texts: readonly string[]): string =>
  texts.length === 1 && texts[0] !== undefined
    ? `context.${attribute} == ${quote(texts[0])}`
    : `${quoteAll(texts)}.contains(context.${attribute})`;

/** Renders Cedar that permits exactly these pairs, to this workload, for this task and its role. */
export const renderPermits = (
  { namespace, serviceAccount }: { readonly namespace: string; readonly serviceAccount: string },
  { name, role, delivery, lifetimeSeconds }: Task,
  allow: readonly TaskStatement[],
): string =>
  allow
    .map(({ actions, resources }) =>
      [
        'permit (',
        `  principal == Workload::${quote(`${namespace}/${serviceAccount}`)},`,
        '  action == Action::"run",',
        `  resource == Task::${quote(name)}`,
        ') when {',
        `  context.role == ${quote(role)} && context.delivery == ${quote(delivery)} &&`,
        `  context.lifetimeSeconds <= ${lifetimeSeconds} &&`,
        `  ${renderTest('action', actions)} &&`,
        `  ${renderTest('resource', resources)}`,
        '};',
        '',
      ].join('\n'),
    )
    .join('');
