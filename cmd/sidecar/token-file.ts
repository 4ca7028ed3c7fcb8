import { accessSync, constants, readFileSync } from 'node:fs';

import { SIDECAR_ENV } from '../../lib/contract/environment.ts';
import { ExchangeError } from '../../lib/contract/exchange.ts';

/**
 * Creates a function that reads the projected token at each call, because the kubelet replaces it at
 * 80 % of its lifetime. The file is in memory, so a synchronous read does not block.
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
    `${SIDECAR_ENV.tokenFile}: expected a readable token in ${path}`,
    { cause },
  );

/** Whether the file is readable now; the readiness probe checks the token with it. */
export const isReadable = (path: string): boolean => {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
};
