import { Ajv, type ValidateFunction } from 'ajv';

import { isMapping, toMapping, type Mapping } from '../../lib/schema/mapping.ts';

/** One request, or the request that an answer belongs to. */
export type DescribedRequest = {
  readonly method: string;
  /** Without a query. */
  readonly path: string;
  /** Undefined: none. */
  readonly body: unknown;
};

/** Lists how requests and answers differ from a description of an API; empty: they agree. */
export type OpenApiChecks = {
  readonly checkRequest: (request: DescribedRequest) => readonly string[];
  readonly checkResponse: (
    request: DescribedRequest,
    response: { readonly status: number; readonly body: unknown },
  ) => readonly string[];
};

/** In a request, a member that the description does not have may be a misspelled one. Answers may have more. */
const closeObjects = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(closeObjects);
  if (!isMapping(value)) return value;
  const closed = Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, closeObjects(member)]),
  );
  const isObject = closed['type'] === 'object' && isMapping(closed['properties']);
  return isObject ? { additionalProperties: false, ...closed } : closed;
};

const toPattern = (template: string): RegExp =>
  new RegExp(`^${template.replaceAll('.', '\\.').replaceAll(/\{[^}]+\}/g, '[0-9]+')}$`);

/**
 * Reads a description of OpenAPI 3.0, whose schemas are close to JSON Schema.
 *
 * @param document with `paths` and `components`; parameters in paths are numbers
 */
export const createOpenApiChecks = (document: Mapping): OpenApiChecks => {
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema(toMapping(closeObjects(document)), 'request');
  ajv.addSchema(document, 'response');
  const paths = toMapping(document['paths']);

  const findOperation = ({ method, path }: DescribedRequest): string | undefined => {
    const template = Object.keys(paths).find((name) => toPattern(name).test(path));
    if (template === undefined) return undefined;
    const name = method.toLowerCase();
    if (!(name in toMapping(paths[template]))) return undefined;
    return `#/paths/${escapePointer(template)}/${name}`;
  };

  /** References are resolved here, because ajv follows none on its way to a schema. */
  const findSchema = (kind: 'request' | 'response', pointer: string) => {
    const { $ref: reference } = toMapping(lookUp(document, pointer));
    const found = typeof reference === 'string' ? reference : pointer;
    return ajv.getSchema(`${kind}${found}/content/${escapePointer('application/json')}/schema`);
  };

  const check = (validate: ValidateFunction | undefined, body: unknown): readonly string[] => {
    if (validate === undefined) return body === undefined ? [] : ['expected no body'];
    if (validate(body)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message = '', params }) =>
        `${instancePath} ${message} ${JSON.stringify(params)}`,
    );
  };

  const unknown = ({ method, path }: DescribedRequest) => [
    `${method} ${path}: not in the description`,
  ];
  return {
    checkRequest: (request) => {
      const operation = findOperation(request);
      if (operation === undefined) return unknown(request);
      return check(findSchema('request', `${operation}/requestBody`), request.body);
    },
    checkResponse: (request, { status, body }) => {
      const operation = findOperation(request);
      if (operation === undefined) return unknown(request);
      const responses = toMapping(lookUp(document, `${operation}/responses`));
      const pointer = `${operation}/responses/${status}`;
      if (status in responses) return check(findSchema('response', pointer), body);
      // Any server in between may refuse; successes are the service's own.
      return status >= 400
        ? []
        : [`status ${status}: expected one of ${Object.keys(responses).join(', ')}`];
    },
  };
};

const unescapePointer = (name: string): string =>
  decodeURIComponent(name).replaceAll('~1', '/').replaceAll('~0', '~');
const escapePointer = (name: string): string =>
  encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'));

const lookUp = (document: Mapping, pointer: string): unknown =>
  pointer
    .split('/')
    .slice(1)
    .reduce<unknown>((found, name) => toMapping(found)[unescapePointer(name)], document);
