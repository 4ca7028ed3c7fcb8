import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { CloudSettings, TaskLimits } from '../../lib/contract/platform.ts';
import type { Task } from '../../lib/contract/task.ts';
import { platform } from '../../lib/injection/fixtures/sample-platform.ts';
import type { Result } from '../../lib/schema/field-error.ts';
import { expandPairs } from '../../lib/task/pairs.ts';
import { readTasks } from '../../lib/task/tasks.ts';
import { loadCatalog } from '../kit/in-process-admission.ts';
import { captureOutcome } from './outcomes.ts';

/** One case of `tasks/`: what a pod and its platform say. */
type Case = {
  readonly name: string;
  /** Task name → text of its annotation. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly limits?: Partial<TaskLimits>;
  readonly dialect?: CloudSettings['dialect'];
  readonly endpoints?: CloudSettings['endpoints'];
  readonly consumers?: { readonly containers: string[]; readonly addressable: string[] };
};

const FOLDER = join(import.meta.dirname, 'tasks');

const readCases = (): readonly Case[] =>
  readdirSync(FOLDER)
    .sort()
    .flatMap((file) => parse(readFileSync(join(FOLDER, file), 'utf8')) as readonly Case[]);

const readCase = (given: Case): Promise<Result<readonly Task[]>> =>
  readTasks({
    annotations: Object.fromEntries(
      Object.entries(given.annotations).map(([name, text]) => [`task.valetkey.dev/${name}`, text]),
    ),
    consumers: given.consumers ?? { containers: ['agent', 'helper'], addressable: ['migrate'] },
    limits: {
      ...platform.tasks,
      ...(given.dialect === 's3' && { accountIds: [] }),
      ...given.limits,
    },
    cloud: { dialect: given.dialect ?? 'aws', endpoints: given.endpoints ?? [] },
    loadCatalog,
  });

const capturePairs = async (task: Task): Promise<object> => {
  const result = await expandPairs(task, loadCatalog);
  return result.ok
    ? result.value.map(({ action, resource }) => `${action.name} ${resource}`)
    : captureOutcome(result);
};

/** The normalized tasks of every case and the pairs that policy is asked about, or the faults. */
export const captureTasks = async (): Promise<object> => {
  const entries = readCases().map(async (given) => {
    const result = await readCase(given);
    const pairs = result.ok ? await Promise.all(result.value.map(capturePairs)) : [];
    return [given.name, { ...captureOutcome(result), ...(result.ok && { pairs }) }] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
};

/** Every task of the cases, by the case's name. */
export const readGoldenTasks = async (): Promise<readonly (readonly [string, Task])[]> => {
  const tasks = readCases().map(async (given) => {
    const result = await readCase(given);
    return result.ok
      ? result.value.map((task) => [`${given.name}: ${task.name}`, task] as const)
      : [];
  });
  return (await Promise.all(tasks)).flat();
};
