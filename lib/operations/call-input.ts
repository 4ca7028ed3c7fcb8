import { InputError } from './input-error.ts';
import type { Operation, RecognizableRequest } from './operation.ts';
import { parseBody, readText } from './request-body.ts';

/** What a recognized request says, by the places where protocols put members of an input. */
export type CallInput = {
  /** The structure of the body, or of the form; parsed once. @throws InputError */
  readonly readBody: () => unknown;
  /** A member at a place: `body.TableName`, `path.FunctionName`, `query.Qualifier`, `header.x-amz-…`. */
  readonly readText: (place: string) => string | undefined;
};

/** A service reads either the query or the form, and none may hide in a body of another type. */
const readFields = (
  { target, form }: RecognizableRequest,
  body: Uint8Array | undefined,
): Readonly<Record<string, string>> => {
  if (form === undefined && (body?.length ?? 0) > 0) {
    throw new InputError('expected a form, found a body of another type');
  }
  return Object.fromEntries(form ?? target.parameters);
};

/**
 * @param body whole, of operations whose resources are in it
 * @throws InputError for a body that protocol `query` does not have, even if nothing of it is needed
 */
export const createCallInput = (
  operation: Operation,
  request: RecognizableRequest,
  body: Uint8Array | undefined,
): CallInput => {
  let parsed: { readonly value: unknown } | undefined =
    operation.protocol === 'query' ? { value: readFields(request, body) } : undefined;
  const readBody = (): unknown => {
    parsed ??= { value: parseBody(request.headers, body ?? new Uint8Array()) };
    return parsed.value;
  };
  const readPlace = (place: string): string | undefined => {
    const dot = place.indexOf('.');
    const [kind, name] = [place.slice(0, dot), place.slice(dot + 1)];
    if (kind === 'body') return readText(readBody(), name);
    if (kind === 'path') return operation.labels[name];
    return kind === 'query' ? request.target.parameters.get(name) : request.headers.get(name);
  };
  return { readBody, readText: readPlace };
};
