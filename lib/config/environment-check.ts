import { ENV_DENY_LIST } from '../contract/environment.ts';
import type { FieldError } from '../schema/field-error.ts';

/**
 * One fault for each variable that could load code into the program, add trust to it or make it
 * write secrets. A program that finds any does not start. Values are never shown.
 */
export const checkEnvironment = (
  environment: Readonly<Record<string, string | undefined>>,
): readonly FieldError[] =>
  ENV_DENY_LIST.filter((name) => (environment[name] ?? '') !== '').map((name) => ({
    path: name,
    expected: 'nothing: it could load code, add trust or write secrets',
    got: 'a value (not shown)',
    rule: 'dangerous-environment',
  }));
