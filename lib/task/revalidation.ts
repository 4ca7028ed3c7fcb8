import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { createLruCache } from '../async/lru-cache.ts';
import type { LoadCatalog } from '../catalog/catalog.ts';
import { SIDECAR_ENV } from '../contract/environment.ts';
import type { TaskLimits } from '../contract/platform.ts';
import { MAX_TASK_BYTES, type AdmittedTasks, type Task } from '../contract/task.ts';
import { fail, formatValue, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import type { DeclarationCloud } from './declaration.ts';
import { readDeclarations, type ParsedDeclaration } from './tasks.ts';
import { hasHiddenCharacters } from './hidden-characters.ts';

export type RevalidationOptions = {
  readonly limits: TaskLimits;
  readonly cloud: DeclarationCloud;
  readonly loadCatalog: LoadCatalog;
};

/**
 * Checks the tasks of a sidecar as if they were declared now: each task is converted back to its
 * declaration, which is read like an annotation. Therefore an environment that was written by hand can
 * contain nothing that an annotation cannot, and newer limits of the platform apply.
 *
 * @param admitted the result of `readAdmittedTasks`
 * @returns the same tasks, or all errors
 * @throws only when the files of the catalog cannot be read
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

/**
 * Checks a scope as if an annotation declared it in the place of a task's.
 *
 * @param allow without placeholders
 * @returns the scope in normal form, or all errors
 * @throws only when the files of the catalog cannot be read
 */
export const normalizeScope = async (
  task: Task,
  allow: Task['allow'],
  terms: RevalidationOptions,
): Promise<Result<Task['allow']>> => {
  const declaration = toDeclaration({ ...task, allow, params: {} });
  const consumers = { containers: task.containers, addressable: [] };
  const read = await readDeclarations([declaration], { ...terms, consumers });
  if (!read.ok) return read;
  return declaration.faults.length > 0
    ? fail(declaration.faults)
    : succeed(read.value.flatMap((each) => each.allow));
};

const toDeclaration = (task: Task): ParsedDeclaration => {
  const {
    name,
    lifetimeSeconds,
    params,
    default: isDefault,
    exclusive,
    canary,
    budget,
    ...rest
  } = task;
  const value = {
    ...rest,
    params: mapValues(params, ({ pattern, maxLength }) => ({ pattern, maxLength: `${maxLength}` })),
    lifetime: `${lifetimeSeconds}s`,
    default: `${isDefault}`,
    exclusive: `${exclusive}`,
    ...(canary === true && { canary: 'true' }),
    ...(budget && { budget: mapValues(budget, String) }),
  };
  return { key: formatSource(name), name, value, faults: checkTexts(task) };
};

/** Uses entries, because a param may be named `__proto__`. */
const mapValues = <T, U>(
  values: Readonly<Record<string, T>>,
  change: (value: T) => U,
): Readonly<Record<string, U>> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));

const formatSource = (name: string): string => `${SIDECAR_ENV.tasks} ${name}`;

/** The checks that are made of an annotation's YAML before it is read. */
const checkTexts = (task: Task): readonly FieldError[] => {
  const bytes = measureAnnotation(task);
  const tooLong = { path: '(root)', expected: `at most ${MAX_TASK_BYTES} bytes`, got: `${bytes}` };
  return [...(bytes > MAX_TASK_BYTES ? [tooLong] : []), ...listTexts(task).flatMap(checkText)];
};

/**
 * The least size in bytes of the annotation: it contained each of these texts at least once. Actions may
 * come from a short form, and statements in normal form repeat resources.
 */
const measureAnnotation = (task: Task): number => {
  const resources = new Set(task.allow.flatMap((statement) => statement.resources));
  const texts = [...listOtherTexts(task).map(([, text]) => text), ...resources];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
};

type Text = readonly [path: string, text: string];

const listTexts = (task: Task): readonly Text[] => [
  ...listOtherTexts(task),
  ...task.allow.flatMap(({ actions, resources }, index): readonly Text[] => [
    ...actions.map((text, at): Text => [`allow[${index}].actions[${at}]`, text]),
    ...resources.map((text, at): Text => [`allow[${index}].resources[${at}]`, text]),
  ]),
];

/** The texts of a task outside `allow`. */
const listOtherTexts = ({ role, params, purpose }: Task): readonly Text[] => [
  ['role', role],
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

/** Each consumer must be named by a task. */
const checkUnusedConsumers = ({ consumers, tasks }: AdmittedTasks): readonly FieldError[] =>
  consumers
    .filter((name) => !tasks.some(({ containers }) => containers.includes(name)))
    .map((name) => ({
      source: SIDECAR_ENV.tasks,
      path: 'consumers',
      expected: 'consumers that a task names',
      got: formatValue(name),
    }));

const checkTaskOrder = ({ tasks }: AdmittedTasks): readonly FieldError[] => {
  const names = tasks.map(({ name }) => name);
  const expected = names.toSorted();
  return isDeepStrictEqual(names, expected)
    ? []
    : [
        {
          source: SIDECAR_ENV.tasks,
          path: 'tasks',
          expected: `tasks in the order ${expected.join(', ')}`,
          got: names.join(', '),
        },
      ];
};

/** Admission writes only the normal form, so another form was not written by admission. */
const checkNormalForm = (
  given: readonly Task[],
  revalidated: readonly Task[],
): readonly FieldError[] =>
  given.flatMap((task, index) => {
    const normal = revalidated[index];
    const members = Object.keys({ ...task, ...normal }) as readonly (keyof Task)[];
    return members
      .filter((member) => !isDeepStrictEqual(task[member], normal?.[member]))
      .map((path) => ({
        source: formatSource(task.name),
        path,
        expected: `the normal form ${formatValue(normal?.[path])}`,
        got: formatValue(task[path]),
      }));
  });

/** Each entry takes some dozens of bytes. */
const MAX_CACHED = 4096;

/**
 * Creates {@link revalidateTasks} with a cache of accepted tasks: every run of a pod checks the same
 * tasks, and the result depends on nothing that changes while a program runs.
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
