import { string, type Reader } from '../schema/reader.ts';

const ACTION = /^[A-Za-z0-9-]{1,64}:[A-Za-z0-9*-]{1,64}$/;

/** Reads the form only: a service without wildcards, and an action that may contain `*`. */
export const actionPattern: Reader<string> = string({
  expected: 'service:Action, its service written out, such as s3:GetObject or s3:Get*',
  pattern: ACTION,
});

/** Reads the form only: an action without wildcards. */
export const concreteAction: Reader<string> = string({
  expected: 'service:Action without wildcards, such as s3:GetObject',
  pattern: /^[A-Za-z0-9-]{1,64}:[A-Za-z0-9-]{1,64}$/,
});

/** Returns the service of a well-formed action, in lower case; undefined for any other value. */
export const readService = (action: unknown): string | undefined =>
  typeof action === 'string' && ACTION.test(action)
    ? action.slice(0, action.indexOf(':')).toLowerCase()
    : undefined;
