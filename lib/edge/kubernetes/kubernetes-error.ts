import { ApiException } from '@kubernetes/client-node';

import { escapeInvisible } from '../../schema/field-error.ts';

/**
 * - `unavailable`: no response, or a temporary failure; retry.
 * - `conflict`: another client wrote since the object was read, or it exists already.
 * - `notFound`: the object does not exist.
 * - `refused`: the API server denied the request, most often because a permission is missing.
 */
export type KubernetesErrorCode = 'unavailable' | 'conflict' | 'notFound' | 'refused';

/** A failed call to the API server. It contains no body, because that could be a Secret. */
export class KubernetesError extends Error {
  override readonly name = 'KubernetesError';
  readonly code: KubernetesErrorCode;
  /** Verb and object of the call: `get secret valetkey-webhook-ca`. */
  readonly culprit: string;
  /** HTTP status; undefined when there was no response. */
  readonly status: number | undefined;

  constructor(
    code: KubernetesErrorCode,
    culprit: string,
    got: { status?: number; reason: string },
  ) {
    super(escapeInvisible(`${culprit}: ${code} (${got.reason})`));
    this.code = code;
    this.culprit = culprit;
    this.status = got.status;
  }
}

/** Runs a call. Every error becomes a {@link KubernetesError} that names `culprit`. */
export const callKubernetes = async <T>(culprit: string, call: () => Promise<T>): Promise<T> => {
  try {
    return await call();
  } catch (error) {
    throw toKubernetesError(culprit, error);
  }
};

/** Converts an error of the client library to a {@link KubernetesError}. */
export const toKubernetesError = (culprit: string, error: unknown): KubernetesError => {
  if (error instanceof KubernetesError) return error;
  const status = readStatus(error);
  if (status !== undefined) {
    return new KubernetesError(toErrorCode(status), culprit, {
      status,
      reason: `status ${status}`,
    });
  }
  return new KubernetesError('unavailable', culprit, { reason: formatReason(error) });
};

/** The result of `call`, or the value that `recoveries` holds for the code of its error. */
export const recoverFrom = async <T, R>(
  call: Promise<T>,
  recoveries: Readonly<Partial<Record<KubernetesErrorCode, R>>>,
): Promise<T | R> => {
  try {
    return await call;
  } catch (error) {
    if (error instanceof KubernetesError && error.code in recoveries) {
      return recoveries[error.code] as R;
    }
    throw error;
  }
};

/** The object that `call` reads, or undefined when it does not exist. */
export const findObject = <T>(call: Promise<T>): Promise<T | undefined> =>
  recoverFrom(call, { notFound: undefined });

/**
 * The object that `call` reads. The programs have no right to create it.
 *
 * @throws KubernetesError `notFound` that states what to do
 */
export const readChartObject = async <T>(culprit: string, call: () => Promise<T>): Promise<T> => {
  const found = await findObject(callKubernetes(culprit, call));
  if (found !== undefined) return found;
  const reason = 'the chart creates this object: run helm upgrade, or apply the manifest again';
  throw new KubernetesError('notFound', culprit, { status: 404, reason });
};

/** `done` when `call` succeeds, or the value that `recoveries` holds for the code of its error. */
export const toOutcome = <D extends string, R extends string>(
  call: Promise<unknown>,
  done: D,
  recoveries: Readonly<Partial<Record<KubernetesErrorCode, R>>>,
): Promise<D | R> =>
  recoverFrom(
    call.then(() => done),
    recoveries,
  );

const readStatus = (error: unknown): number | undefined => {
  if (error instanceof ApiException) return error.code;
  const { statusCode } = (error ?? {}) as { statusCode?: unknown };
  return typeof statusCode === 'number' ? statusCode : undefined;
};

const toErrorCode = (status: number): KubernetesErrorCode => {
  if (status === 404) return 'notFound';
  if (status === 409) return 'conflict';
  return status === 429 || status >= 500 ? 'unavailable' : 'refused';
};

/** The message `fetch failed` has no detail; the error's cause has the code (ECONNREFUSED, …). */
const formatReason = (error: unknown): string => {
  if (!(error instanceof Error)) return 'no response';
  const { code } = (error.cause ?? error) as { code?: unknown };
  return typeof code === 'string' ? code : `${error.name}: ${error.message}`;
};
