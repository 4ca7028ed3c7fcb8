import { KubernetesError } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import type { ReadResult } from './status-data.ts';
import { ToolError } from './tool-error.ts';

/** Describes a failed call to the API server: its code and object, never a body. */
export const formatApiError = ({ culprit, code, status }: KubernetesError): string =>
  `${culprit}: ${code}${status === undefined ? '' : ` (status ${status})`}`;

/**
 * Waits for one part of a page, so that a missing right does not hide the other parts.
 *
 * @throws what is neither a failed call nor a problem of the installation
 */
export const readPart = async <T>(pending: Promise<T>): Promise<ReadResult<T>> => {
  try {
    return { value: await pending };
  } catch (error) {
    if (error instanceof KubernetesError) return { unknown: formatApiError(error) };
    if (error instanceof ToolError) return { unknown: error.message };
    throw error;
  }
};
