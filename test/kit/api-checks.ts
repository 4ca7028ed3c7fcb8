import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';

import {
  API_METHODS,
  type ApiDescription,
  type ApiMethod,
  type JsonSchema,
} from '../../lib/schema/api-description.ts';

/** What an OpenAPI description breaks; empty: it is valid. */
export const lintApiDescription = async (api: ApiDescription): Promise<unknown> => {
  const copy = structuredClone(api) as unknown as Record<string, unknown>;
  const { valid, errors } = await new Validator().validate(copy);
  return valid ? [] : errors;
};

/** `METHOD path`, sorted. */
export const listDescribedRoutes = ({ paths }: ApiDescription): readonly string[] =>
  Object.entries(paths)
    .flatMap(([path, item]) =>
      API_METHODS.filter((method) => item[method] !== undefined).map(
        (method) => `${method.toUpperCase()} ${path}`,
      ),
    )
    .sort();

/** A member that no schema names is a fault here; clients have to ignore it. */
const closeObjects = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(closeObjects);
  if (typeof schema !== 'object' || schema === null) return schema;
  const closed = Object.fromEntries(
    Object.entries(schema).map(([name, member]) => [name, closeObjects(member)]),
  );
  const isOpen = closed['type'] === 'object' && 'properties' in closed;
  return isOpen && !('additionalProperties' in closed)
    ? { ...closed, additionalProperties: false }
    : closed;
};

export type ApiChecker = {
  /** @returns faults of a response's body */
  readonly checkResponse: (
    route: { readonly method: ApiMethod; readonly path: string },
    response: { readonly status: number; readonly body: unknown },
    type?: string,
  ) => readonly string[];
  /** @returns faults of a form, and of the JSON in its fields */
  readonly checkForm: (path: string, form: string) => readonly string[];
  /** @returns faults of a body of JSON */
  readonly checkBody: (path: string, body: unknown) => readonly string[];
};

const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';

const escapePointer = (part: string): string =>
  encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'));

/** Compares bodies with what a description says of them. */
export const createApiChecker = (api: ApiDescription): ApiChecker => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema({ $id: 'https://api.test/', ...(closeObjects(api) as object) });
  const check = (parts: readonly string[], value: unknown): readonly string[] => {
    const $ref = `https://api.test/#/${parts.map(escapePointer).join('/')}`;
    const validate = ajv.compile({ $ref });
    validate(value);
    return (validate.errors ?? []).map(
      ({ instancePath, message = '', params }) =>
        `${instancePath || '(body)'} ${message} ${JSON.stringify(params)}`,
    );
  };
  return {
    checkResponse: ({ method, path }, { status, body }, type = JSON_TYPE) => {
      const responses = api.paths[path]?.[method]?.responses ?? {};
      const name = String(status) in responses ? String(status) : 'default';
      if (responses[name]?.content?.[type] === undefined) return [`${path} ${name}: not described`];
      return check(['paths', path, method, 'responses', name, 'content', type, 'schema'], body);
    },
    checkForm: (path, text) => {
      const at = ['paths', path, 'post', 'requestBody', 'content', FORM, 'schema'];
      const form: Record<string, string> = Object.fromEntries(new URLSearchParams(text));
      const schema = api.paths[path]?.post?.requestBody?.content[FORM]?.schema;
      const fields = (schema?.['properties'] ?? {}) as Readonly<Record<string, JsonSchema>>;
      const embedded = Object.entries(form).flatMap(([name, value]) =>
        fields[name]?.['contentSchema'] === undefined
          ? []
          : check([...at, 'properties', name, 'contentSchema'], JSON.parse(value)),
      );
      return [...check(at, form), ...embedded];
    },
    checkBody: (path, body) =>
      check(['paths', path, 'post', 'requestBody', 'content', JSON_TYPE, 'schema'], body),
  };
};
