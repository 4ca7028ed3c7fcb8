import { startReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import { withTimeout } from '../../lib/async/timeout.ts';
import { describeExport, type FileExports } from '../../lib/audit/file-exports.ts';
import type { ClosedFile } from '../../lib/audit/file-verification.ts';
import {
  UPLOAD_TIMEOUT_MS,
  type UploadAuditObject,
  type UploadOutcome,
} from '../../lib/edge/aws/audit-bucket.ts';
import { CloudRequestError } from '../../lib/edge/aws/cloud-request-error.ts';
import { LoggableError } from '../../lib/schema/loggable-error.ts';

export type AuditExportDeps = {
  readonly exports: FileExports;
  /** The replica whose records the files have. */
  readonly replica: string;
  /** Key prefix, without leading and trailing slashes; empty: none. */
  readonly prefix: string;
  readonly upload: UploadAuditObject;
  /** Called for each file that was tried. */
  readonly onOutcome: (outcome: UploadOutcome | 'failed') => void;
  readonly onFailure: (error: unknown) => void;
  readonly random: () => number;
};

export type AuditExport = { readonly stop: () => void };

const EVERY_MS = 10_000;
/** Each attempt hashes the file. */
const RETRY = { firstMs: 1_000, maxMs: 300_000 };

/**
 * Copies closed audit files to a bucket, the oldest first. No state is stored: after a restart each file
 * is compared with its object. A file that differs from its object, or has no records, does not delay the
 * others.
 */
export const startAuditExport = (deps: AuditExportDeps): AuditExport =>
  startReconcileLoop({
    reconcile: async () => {
      await exportPending(deps);
      return EVERY_MS;
    },
    onFailure: deps.onFailure,
    retry: RETRY,
    random: deps.random,
  });

type PendingDeps = Omit<AuditExportDeps, 'onFailure' | 'random'>;

/** @throws LoggableError that names every file that cannot be exported as it is; CloudRequestError */
export const exportPending = async (deps: PendingDeps): Promise<void> => {
  const problems: string[] = [];
  for (const file of deps.exports.listPending()) {
    const { outcome, problem } = await exportFile(file, deps).catch((error: unknown) => {
      deps.onOutcome('failed');
      throw toStatedError(file, error);
    });
    deps.onOutcome(outcome);
    if (problem !== undefined) problems.push(problem);
  }
  if (problems.length > 0) throw new LoggableError(problems.join('; '));
};

type Result = { readonly outcome: UploadOutcome | 'failed'; readonly problem?: string };

const exportFile = async (
  file: ClosedFile,
  { exports, replica, prefix, upload }: PendingDeps,
): Promise<Result> => {
  const described = await describeExport(exports.read(file), replica);
  if (described === undefined) {
    const problem = `${file.name}: expected records of ${replica}, got none`;
    return { outcome: 'failed', problem };
  }
  const { name, sha256, bytes } = described;
  const key = prefix === '' ? name : `${prefix}/${name}`;
  const open = () => exports.read(file).chunks;
  const limit = { ms: UPLOAD_TIMEOUT_MS, what: `upload of ${file.name}` };
  const outcome = await withTimeout(limit, (signal) =>
    upload({ key, sha256, bytes, open }, signal),
  );
  if (outcome === 'different') {
    const problem = `${key}: expected an object with the content of the file, got another`;
    return { outcome, problem };
  }
  exports.markExported(file, described);
  return { outcome };
};

/** The code and the status are what an administrator needs, and no input is in them. */
const toStatedError = ({ name }: ClosedFile, error: unknown): unknown => {
  if (!(error instanceof CloudRequestError)) return error;
  const { code, status = 'no response' } = error;
  return new LoggableError(`${name}: expected a response 2xx, got ${code} (${status})`);
};
