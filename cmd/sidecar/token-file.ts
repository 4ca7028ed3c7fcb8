import { accessSync, constants, readFileSync } from 'node:fs';

import { SIDECAR_ENV } from '../../lib/contract/environment.ts';
import { ExchangeError } from '../../lib/contract/exchange.ts';

/**
 * Reads the projected token, afresh at each call: the kubelet replaces it at 80 % of its life.
 * It lies in memory, so reading it waits for nothing.
 *
 * @throws ExchangeError `token_unreadable`
 */
export const createTokenReader = (path: string) => (): string => {
  try {
    const token = readFileSync(path, 'utf8').trim();
    if (token !== '') return token;
  } catch (cause) {
    throw toUnreadableError(path, cause);
  }
  throw toUnreadableError(path);
};

const toUnreadableError = (path: string, cause?: unknown): ExchangeError =>
  new ExchangeError(
    'unavailable',
    'token_unreadable',
    `${SIDECAR_ENV.tokenFile}: ${path} holds no token that can be read`,
    { cause },
  );

/** Whether the token could be read now; asked by the readiness probe. */
export const isReadable = (path: string): boolean => {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
};
