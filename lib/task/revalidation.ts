import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { createLruCache } from '../async/lru-cache.ts';
import type { LoadCatalog } from '../catalog/catalog.ts';
import { SIDECAR_ENV } from '../contract/environment.ts';
import type { CloudSettings, TaskLimits } from '../contract/platform.ts';
import { MAX_TASK_BYTES, type AdmittedTasks, type Task } from '../contract/task.ts';
import { fail, formatValue, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import { readDeclarations, type ParsedDeclaration } from './tasks.ts';
import { hasHiddenCharacters } from './hidden-characters.ts';

export type RevalidationOptions = {
  readonly limits: TaskLimits;
  /** Of the platform's cloud. */
  readonly dialect: CloudSettings['dialect'];
  readonly loadCatalog: LoadCatalog;
};

/**
 * Judges what a sidecar was given as if it were declared today: each task is turned back into the
 * declaration that says the same and goes the way of annotations. So an environment made by hand
 * says nothing that an annotation could not, and what the platform has forbidden since holds.
 *
 * @param admitted as `readAdmittedTasks` read it
 * @returns the very same tasks, or every fault
 * @throws only when the catalogue's files cannot be read
 */
export const revalidateTasks = async (
  admitted: AdmittedTasks,
  terms: RevalidationOptions,
): Promise<Result<AdmittedTasks>> => {
  const consumers = { containers: admitted.consumers, addressable: [] };
  const parsed = admitted.tasks.map(toDeclaration);
  const revalidated = await readDeclarations(parsed, { ...terms, consumers });
  const faults = [...(revalidated.ok ? [] : revalidated.faults), ...checkUnusedConsumers(admitted)];
  if (!revalidated.ok || faults.length > 0) return fail(faults);
  const changed = [
    ...checkTaskOrder(admitted),
    ...checkNormalForm(admitted.tasks, revalidated.value),
  ];
  return changed.length > 0 ? fail(changed) : succeed(admitted);
};

const toDeclaration = (task: Task): ParsedDeclaration => {
  const { name, lifetimeSeconds, params, default: isDefault, exclusive, ...rest } = task;
  const value = {
    ...rest,
    params: mapValues(params, ({ pattern, maxLength }) => ({ pattern, maxLength: `${maxLength}` })),
    lifetime: `${lifetimeSeconds}s`,
    default: `${isDefault}`,
    exclusive: `${exclusive}`,
  };
  return { key: formatSource(name), name, value, faults: checkTexts(task) };
};

/** From entries: a param may be named as no literal could name a member. */
const mapValues = <T, U>(
  values: Readonly<Record<string, T>>,
  change: (value: T) => U,
): Readonly<Record<string, U>> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));

const formatSource = (name: string): string => `${SIDECAR_ENV.tasks} ${name}`;

/** What the YAML of an annotation is held to before it is read. */
const checkTexts = (task: Task): readonly FieldError[] => {
  const texts = listTexts(task);
  const bytes = texts.reduce((sum, [, text]) => sum + Buffer.byteLength(text), 0);
  const tooLong = { path: '(root)', expected: `at most ${MAX_TASK_BYTES} bytes`, got: `${bytes}` };
  return [...(bytes > MAX_TASK_BYTES ? [tooLong] : []), ...texts.flatMap(checkText)];
};

type Text = readonly [path: string, text: string];

/** All that an annotation would have had to write out: it can only be longer than their sum. */
const listTexts = ({ role, allow, params, purpose }: Task): readonly Text[] => [
  ['role', role],
  ...allow.flatMap(({ actions, resources }, index): readonly Text[] => [
    ...actions.map((text, at): Text => [`allow[${index}].actions[${at}]`, text]),
    ...resources.map((text, at): Text => [`allow[${index}].resources[${at}]`, text]),
  ]),
  ...Object.entries(params).map(([name, { pattern }]): Text => [`params.${name}.pattern`, pattern]),
  ...(purpose === undefined ? [] : [['purpose', purpose] as const]),
];

const checkText = ([path, text]: Text): readonly FieldError[] => {
  if (hasHiddenCharacters(text)) {
    const expected = 'one line of text without control, bidirectional or invisible characters';
    return [{ path, expected, got: formatValue(text) }];
  }
  return text.includes('${')
    ? [{ path, expected: 'text without policy variables ${…}', got: formatValue(text) }]
    : [];
};

/** A consumer is what a task names. */
const checkUnusedConsumers = ({ consumers, tasks }: AdmittedTasks): readonly FieldError[] =>
  consumers
    .filter((name) => !tasks.some(({ containers }) => containers.includes(name)))
    .map((name) => ({
      ...{ source: SIDECAR_ENV.tasks, path: 'consumers' },
      ...{ expected: 'consumers that a task names', got: formatValue(name) },
    }));

const checkTaskOrder = ({ tasks }: AdmittedTasks): readonly FieldError[] => {
  const names = tasks.map(({ name }) => name);
  const expected = names.toSorted();
  return isDeepStrictEqual(names, expected)
    ? []
    : [
        {
          ...{ source: SIDECAR_ENV.tasks, path: 'tasks' },
          ...{ expected: `tasks in the order ${expected.join(', ')}`, got: names.join(', ') },
        },
      ];
};

/** Admission writes one form only: another was not written by it. */
const checkNormalForm = (given: readonly Task[], judged: readonly Task[]): readonly FieldError[] =>
  given.flatMap((task, index) => {
    const normal = judged[index];
    const members = Object.keys({ ...task, ...normal }) as readonly (keyof Task)[];
    return members
      .filter((member) => !isDeepStrictEqual(task[member], normal?.[member]))
      .map((path) => ({
        ...{ source: formatSource(task.name), path },
        ...{
          expected: `the normal form ${formatValue(normal?.[path])}`,
          got: formatValue(task[path]),
        },
      }));
  });

/** Some dozens of bytes each. */
const MAX_CACHED = 4096;

/**
 * The same, but what was accepted is remembered, the oldest forgotten first: every run of a pod asks
 * about the same tasks, and the answer hangs on nothing that changes while a program lives.
 */
export const createTaskRevalidator = (
  terms: RevalidationOptions,
): ((admitted: AdmittedTasks) => Promise<Result<AdmittedTasks>>) => {
  const accepted = createLruCache<true>(MAX_CACHED);
  return async (admitted) => {
    const key = createHash('sha256').update(JSON.stringify(admitted)).digest('base64');
    if (accepted.get(key) === true) return succeed(admitted);
    const result = await revalidateTasks(admitted, terms);
    if (!result.ok) return result;
    accepted.set(key, true);
    return result;
  };
};
