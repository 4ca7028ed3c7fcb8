import { AuditError, type AuditErrorCode } from '../../audit/audit-event.ts';

const DISK_FULL_CODES = ['ENOSPC', 'EDQUOT', 'EFBIG'];

/** Runs `call`. An error of the operating system becomes an AuditError that names `path`. */
export const wrapDiskErrors = async <T>(path: string, call: () => Promise<T>): Promise<T> => {
  try {
    return await call();
  } catch (cause) {
    if (cause instanceof AuditError) throw cause;
    const { code = 'an unknown error' } = cause as NodeJS.ErrnoException;
    const kind: AuditErrorCode = DISK_FULL_CODES.includes(code) ? 'disk_full' : 'disk_failed';
    throw new AuditError(kind, `${path}: expected to store records, got ${code}`, { cause });
  }
};
