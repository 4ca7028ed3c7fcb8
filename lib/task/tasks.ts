import type { LoadCatalog } from '../catalog/catalog.ts';
import { TASK_ANNOTATION_PREFIX } from '../contract/names.ts';
import type { CloudSettings, TaskLimits } from '../contract/platform.ts';
import { MAX_TASKS, type Task } from '../contract/task.ts';
import { fail, formatValue, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import { DNS_LABEL, read } from '../schema/reader.ts';
import { parseAnnotation, type ParsedAnnotation } from './annotation.ts';
import {
  createDeclarationReader,
  type DeclarationContext,
  type PodConsumers,
} from './declaration.ts';
import { prescanServices } from './prescan.ts';

export type TaskDeclarations = {
  /** All of the pod's annotations. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly consumers: PodConsumers;
  readonly limits: TaskLimits;
  /** Of the platform's cloud. */
  readonly dialect: CloudSettings['dialect'];
  readonly loadCatalog: LoadCatalog;
};

/**
 * Reads every task that a pod declares, normalised and in the order of their names; none where it
 * declares none.
 *
 * @returns the tasks, or all faults of all annotations, each with its annotation as `source`
 * @throws only when the catalogue's files cannot be read
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
 * Reads declarations that are parsed already to tasks, in the order in which they are given.
 *
 * @returns the tasks, or all faults of all declarations, each with its `key` as `source`
 * @throws only when the catalogue's files cannot be read
 */
export const readDeclarations = async (
  parsed: readonly ParsedDeclaration[],
  terms: Omit<TaskDeclarations, 'annotations'>,
): Promise<Result<readonly Task[]>> => {
  const services = parsed.flatMap(({ value }) => prescanServices(value));
  const context = { ...terms, catalog: await terms.loadCatalog(services) };
  return mergeResults(parsed.map((each) => readDeclaration(each, context)));
};

/** One declaration, of mappings, lists and strings, and where it stands. */
export type ParsedDeclaration = ParsedAnnotation & { readonly key: string; readonly name: string };
type DeclarationResult = { readonly key: string; readonly result: Result<Task> };

const parseDeclaration = (key: string, text: string): ParsedDeclaration => {
  const name = key.slice(TASK_ANNOTATION_PREFIX.length);
  const parsed = parseAnnotation(text);
  if (DNS_LABEL.test(name)) return { key, name, ...parsed };
  const expected = 'a task name of small letters, digits and -, at most 63 (a DNS label)';
  const fault = { path: '(key)', expected, got: formatValue(name) };
  return { key, name, ...parsed, faults: [fault, ...parsed.faults] };
};

/** Where the text itself is at fault, what its value lacks is a consequence. */
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

const mergeResults = (judged: readonly DeclarationResult[]): Result<readonly Task[]> => {
  const tasks = judged.flatMap(({ result }) => (result.ok ? [result.value] : []));
  const faults = judged.flatMap(({ key, result }) =>
    result.ok ? [] : addSource(key, result.faults),
  );
  const all = [...faults, ...checkDefaults(tasks)];
  return all.length > 0 ? fail(all) : succeed(tasks);
};

const addSource = (source: string, faults: readonly FieldError[]): readonly FieldError[] =>
  faults.map((fault) => ({ ...fault, source }));

/** Each consumer has one default task at most: every further one is at fault. */
const checkDefaults = (tasks: readonly Task[]): readonly FieldError[] => {
  const defaults = tasks.filter((task) => task.default);
  return defaults.flatMap((task, index) => {
    const conflicts = defaults
      .slice(0, index)
      .flatMap((earlier) =>
        earlier.containers
          .filter((container) => task.containers.includes(container))
          .map((container) => `${earlier.name} is that of ${container}`),
      );
    if (conflicts.length === 0) return [];
    const expected = 'one default task for each container';
    const source = `${TASK_ANNOTATION_PREFIX}${task.name}`;
    return [{ source, path: 'default', expected, got: `a further one: ${conflicts.join(', ')}` }];
  });
};
