import type { LoadCatalog } from '../catalog/catalog.ts';
import { TASK_ANNOTATION_PREFIX } from '../contract/names.ts';
import type { TaskLimits } from '../contract/platform.ts';
import { MAX_TASKS, type Task } from '../contract/task.ts';
import { fail, formatValue, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import { DNS_LABEL, read } from '../schema/reader.ts';
import { parseAnnotation, type ParsedAnnotation } from './annotation.ts';
import {
  createDeclarationReader,
  type DeclarationCloud,
  type DeclarationContext,
  type PodConsumers,
} from './declaration.ts';
import { prescanServices } from './prescan.ts';

export type TaskDeclarations = {
  /** All of the pod's annotations. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly consumers: PodConsumers;
  readonly limits: TaskLimits;
  readonly cloud: DeclarationCloud;
  readonly loadCatalog: LoadCatalog;
};

/**
 * Reads every task that a pod declares.
 *
 * @returns the tasks, normalized and in the order of their names (none if the pod declares none), or all
 *   errors of all annotations, each with its annotation as `source`
 * @throws only when the files of the catalog cannot be read
 */
export const readTasks = async (
  declarations: TaskDeclarations,
): Promise<Result<readonly Task[]>> => {
  const keys = Object.keys(declarations.annotations)
    .filter((key) => key.startsWith(TASK_ANNOTATION_PREFIX))
    .sort();
  if (keys.length > MAX_TASKS) {
    const expected = `at most ${MAX_TASKS} tasks`;
    return fail([{ path: 'metadata.annotations', expected, got: `${keys.length}` }]);
  }
  const parsed = keys.map((key) => parseDeclaration(key, declarations.annotations[key] ?? ''));
  return readDeclarations(parsed, declarations);
};

/**
 * Reads parsed declarations as tasks.
 *
 * @returns the tasks in the given order, or all errors of all declarations, each with its `key` as
 *   `source`
 * @throws only when the files of the catalog cannot be read
 */
export const readDeclarations = async (
  parsed: readonly ParsedDeclaration[],
  terms: Omit<TaskDeclarations, 'annotations'>,
): Promise<Result<readonly Task[]>> => {
  const services = parsed.flatMap(({ value }) => prescanServices(value));
  const context = { ...terms, catalog: await terms.loadCatalog(services) };
  return mergeResults(parsed.map((each) => readDeclaration(each, context)));
};

/** A declaration of mappings, lists and strings, with the key of its annotation and the task's name. */
export type ParsedDeclaration = ParsedAnnotation & { readonly key: string; readonly name: string };
type DeclarationResult = { readonly key: string; readonly result: Result<Task> };

const parseDeclaration = (key: string, text: string): ParsedDeclaration => {
  const name = key.slice(TASK_ANNOTATION_PREFIX.length);
  const parsed = parseAnnotation(text);
  if (DNS_LABEL.test(name)) return { key, name, ...parsed };
  const expected = 'a task name of at most 63 lowercase letters, digits and - (a DNS label)';
  const fault = { path: '(key)', expected, got: formatValue(name) };
  return { key, name, ...parsed, faults: [fault, ...parsed.faults] };
};

/** An error in the text at a path hides errors of its value at the same path: they are consequences. */
const readDeclaration = (
  parsed: ParsedDeclaration,
  context: DeclarationContext,
): DeclarationResult => {
  const { key, name, value, faults } = parsed;
  if (value === undefined) return { key, result: fail(faults) };
  const result = read(createDeclarationReader(name, context), value);
  if (faults.length === 0) return { key, result };
  const paths = new Set(faults.map(({ path }) => path));
  const others = result.ok ? [] : result.faults.filter(({ path }) => !paths.has(path));
  return { key, result: fail([...faults, ...others]) };
};

const mergeResults = (results: readonly DeclarationResult[]): Result<readonly Task[]> => {
  const tasks = results.flatMap(({ result }) => (result.ok ? [result.value] : []));
  const faults = results.flatMap(({ key, result }) =>
    result.ok ? [] : addSource(key, result.faults),
  );
  const all = [
    ...faults,
    ...checkDefaults(tasks),
    ...checkDeliveries(tasks.filter(({ provider }) => provider === 'aws')),
    ...checkClients(tasks),
  ];
  return all.length > 0 ? fail(all) : succeed(tasks);
};

const addSource = (source: string, faults: readonly FieldError[]): readonly FieldError[] =>
  faults.map((fault) => ({ ...fault, source }));

/** Each consumer has at most one default task: every further one is an error. */
const checkDefaults = (tasks: readonly Task[]): readonly FieldError[] => {
  const defaults = tasks.filter((task) => task.default);
  return defaults.flatMap((task, index) => {
    const conflicts = defaults
      .slice(0, index)
      .flatMap((earlier) =>
        earlier.containers
          .filter((container) => task.containers.includes(container))
          .map((container) => `${earlier.name} is the default of ${container}`),
      );
    if (conflicts.length === 0) return [];
    const expected = 'at most one default task for each container';
    const source = `${TASK_ANNOTATION_PREFIX}${task.name}`;
    return [{ source, path: 'default', expected, got: `another one: ${conflicts.join(', ')}` }];
  });
};

/** A client of a container has one base URL. */
const checkClients = (tasks: readonly Task[]): readonly FieldError[] =>
  tasks.flatMap((task, index) => {
    const { client } = task;
    if (client === undefined) return [];
    const conflicts = tasks
      .slice(0, index)
      .filter((earlier) => earlier.client === client)
      .flatMap((earlier) =>
        earlier.containers
          .filter((container) => task.containers.includes(container))
          .map((container) => `${earlier.name} has ${client} in ${container}`),
      );
    if (conflicts.length === 0) return [];
    const expected = 'each client in at most one task of a container';
    const source = `${TASK_ANNOTATION_PREFIX}${task.name}`;
    return [{ source, path: 'client', expected, got: conflicts.join(', ') }];
  });

/** The SDKs of a container find either the cloud or the gateway: they read one endpoint. */
const checkDeliveries = (tasks: readonly Task[]): readonly FieldError[] =>
  tasks.flatMap((task, index) => {
    const conflicts = tasks
      .slice(0, index)
      .filter((earlier) => earlier.delivery !== task.delivery)
      .flatMap((earlier) =>
        earlier.containers
          .filter((container) => task.containers.includes(container))
          .map((container) => `${earlier.name} of ${container} has ${earlier.delivery}`),
      );
    if (conflicts.length === 0) return [];
    const expected =
      'one delivery for all tasks of a container: give them the same, or name different containers';
    const source = `${TASK_ANNOTATION_PREFIX}${task.name}`;
    return [
      { source, path: 'delivery', expected, got: `${task.delivery}; ${conflicts.join(', ')}` },
    ];
  });
