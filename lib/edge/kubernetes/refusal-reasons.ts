import { toMapping } from '../../schema/mapping.ts';
import type { BufferedResponse } from '../http/https-client.ts';
import type { ApiClient } from './api-client.ts';
import { KubernetesError } from './kubernetes-error.ts';

/**
 * Makes a client for a user's own commands: where the API server refuses to create what the user wrote, the
 * error has its message, such as that of an admission policy. Errors of other calls stay without one, because
 * programs log them and answer with them.
 */
export const withRefusalReasons =
  (calls: ApiClient): ApiClient =>
  async (culprit, call) => {
    let message = '';
    const onResponse = (response: BufferedResponse): void => {
      call.onResponse?.(response);
      if (response.status >= 300) message = readStatusMessage(response.body);
    };
    try {
      return await calls(culprit, { ...call, onResponse });
    } catch (error) {
      const isKnown = error instanceof KubernetesError && error.code === 'refused';
      if (!isKnown || call.method !== 'POST' || message === '') throw error;
      const status = error.status === undefined ? {} : { status: error.status };
      throw new KubernetesError('refused', culprit, { ...status, reason: message });
    }
  };

/** Reads the message of a `Status`, the body of a refusal; empty if there is none. */
export const readStatusMessage = (body: string): string => {
  try {
    const { message } = toMapping(JSON.parse(body));
    return typeof message === 'string' ? message : '';
  } catch {
    return '';
  }
};
