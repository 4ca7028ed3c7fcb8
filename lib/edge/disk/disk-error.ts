import { AuditError, type AuditErrorCode } from '../../audit/record.ts';

const FULL = ['ENOSPC', 'EDQUOT', 'EFBIG'];

/** Runs `call`; what the operating system answers becomes an AuditError that names `path`. */
export const asDiskError = async <T>(path: string, call: () => Promise<T>): Promise<T> => {
  try {
    return await call();
  } catch (cause) {
    if (cause instanceof AuditError) throw cause;
    const { code = 'an unknown error' } = cause as NodeJS.ErrnoException;
    const kind: AuditErrorCode = FULL.includes(code) ? 'disk_full' : 'disk_failed';
    throw new AuditError(kind, `${path}: expected to keep records, got ${code}`, { cause });
  }
};
