import { ApiException } from '@kubernetes/client-node';

import { escapeInvisible } from '../../schema/field-error.ts';

/**
 * - `unavailable`: no answer, or one that may be another in a moment; try again.
 * - `conflict`: somebody else wrote since we read.
 * - `sendNotFound`: there is no such object.
 * - `refused`: the answer is no, most often for want of a right.
 */
export type KubernetesErrorCode = 'unavailable' | 'conflict' | 'notFound' | 'refused';

/** A call to the API server that did not do what was asked. Holds no body: one could be a Secret. */
export class KubernetesError extends Error {
  override readonly name = 'KubernetesError';
  readonly code: KubernetesErrorCode;
  /** What was asked of whom: `get secret valetkey-webhook-ca`. */
  readonly culprit: string;
  /** HTTP status; absent when there was no answer. */
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

/** Runs a call; whatever it throws becomes a {@link KubernetesError} that names `culprit`. */
export const callKubernetes = async <T>(culprit: string, call: () => Promise<T>): Promise<T> => {
  try {
    return await call();
  } catch (error) {
    throw toKubernetesError(culprit, error);
  }
};

/** The {@link KubernetesError} for whatever the client library threw. */
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

/** The answer, or `otherwise` where the error's code is among `codes`. */
export const recoverFrom = async <T, O>(
  codes: readonly KubernetesErrorCode[],
  answer: Promise<T>,
  otherwise: O,
): Promise<T | O> => {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof KubernetesError && codes.includes(error.code)) return otherwise;
    throw error;
  }
};

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

/** `fetch failed` says nothing; its cause has the code (ECONNREFUSED, …). */
const formatReason = (error: unknown): string => {
  if (!(error instanceof Error)) return 'no answer';
  const { code } = (error.cause ?? error) as { code?: unknown };
  return typeof code === 'string' ? code : `${error.name}: ${error.message}`;
};
