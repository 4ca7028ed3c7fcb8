import { ENV_DENY_LIST } from '../contract/environment.ts';
import type { FieldError } from '../schema/field-error.ts';

/**
 * Finds variables that could load code into the program, add trust anchors or make it write secrets. A
 * program does not start if there is one. Values are never displayed.
 */
export const checkEnvironment = (
  environment: Readonly<Record<string, string | undefined>>,
): readonly FieldError[] =>
  ENV_DENY_LIST.filter((name) => (environment[name] ?? '') !== '').map((name) => ({
    path: name,
    expected: 'no value: this variable could load code, add trust anchors or write secrets',
    got: 'a value (not displayed)',
    rule: 'dangerous-environment',
  }));
