import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { BUDGET_FILE_NAME } from '../../lib/contract/paths.ts';
import { BUDGET_KINDS } from '../../lib/contract/task.ts';
import type { BudgetStore, StoredBudget } from '../../lib/runs/run-budgets.ts';
import { dnsLabel, integer, list, object, read, stringEnum } from '../../lib/schema/reader.ts';

/** The budgets of a consumer cannot be read; the message names the file. */
export class BudgetFileError extends Error {
  override readonly name = 'BudgetFileError';
}

const count = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const stored = list(
  object({
    task: dnsLabel,
    until: count,
    counts: object({ calls: count, bytesOut: count, denials: count, tokens: count }),
    exceeded: { optional: stringEnum(BUDGET_KINDS) },
  }),
  { min: 0 },
);

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;

/** @returns undefined if there is no file yet */
const readText = (path: string): string | undefined => {
  let file: number;
  try {
    file = openSync(path, O_RDONLY | O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { uid, mode } = fstatSync(file);
    if (uid !== process.getuid?.() || (mode & 0o077) !== 0) throw new Error('not its own file');
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
};

const readBudgets = (path: string): readonly StoredBudget[] => {
  try {
    const result = read(stored, JSON.parse(readText(path) ?? '[]'));
    if (result.ok) return result.value;
    throw new Error('another form');
  } catch (cause) {
    throw new BudgetFileError(
      `${path}: expected budgets in a file that only the sidecar's user can read`,
      { cause },
    );
  }
};

/** An interrupted write leaves the earlier file. */
const writeBudgets = (path: string, budgets: readonly StoredBudget[]): void => {
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  const file = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    writeFileSync(file, JSON.stringify(budgets));
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
};

/**
 * Creates the store of budgets: a file in each consumer's volume in memory, which lasts as long as the pod.
 * The consumer can neither read nor write it.
 *
 * @param folder with one folder for each consumer
 * @throws BudgetFileError from `read`
 */
export const createBudgetStore = (folder: string): BudgetStore => ({
  read: (consumer) => readBudgets(join(folder, consumer, BUDGET_FILE_NAME)),
  write: (consumer, budgets) => writeBudgets(join(folder, consumer, BUDGET_FILE_NAME), budgets),
});
