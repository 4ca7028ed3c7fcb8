import type { FieldError } from '../schema/field-error.ts';
import { ENV_DENY_LIST, ENV_DENY_PREFIXES } from './environment-review.ts';
import { isServiceLink } from './environment-settings.ts';

/**
 * Finds variables that could load code into the program, change whom it trusts, make it write secrets or
 * redirect its requests. A program does not start if there is one. Values are never displayed.
 */
export const checkEnvironment = (
  environment: Readonly<Record<string, string | undefined>>,
): readonly FieldError[] =>
  Object.keys(environment)
    .filter((name) => (environment[name] ?? '') !== '' && isDenied(name))
    .sort()
    .map((name) => ({
      path: name,
      expected:
        'no value: this variable could load code, change trust, write secrets or redirect requests',
      got: 'a value (not displayed)',
      rule: 'dangerous-environment',
    }));

const isDenied = (name: string): boolean =>
  ENV_DENY_LIST.includes(name) ||
  (ENV_DENY_PREFIXES.some((prefix) => name.startsWith(prefix)) && !isServiceLink(name));
