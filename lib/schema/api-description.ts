/** JSON Schema, draft 2020-12: the dialect of OpenAPI 3.1. */
export type JsonSchema = Readonly<Record<string, unknown>>;

type Content = Readonly<Record<string, { readonly schema: JsonSchema }>>;

export type ApiResponse = {
  readonly description: string;
  readonly headers?: Readonly<Record<string, object>>;
  readonly content?: Content;
};

export type ApiOperation = {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly object[];
  readonly security?: readonly object[];
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, ApiResponse>>;
};

export const API_METHODS = ['get', 'post', 'delete'] as const;
export type ApiMethod = (typeof API_METHODS)[number];

/** The HTTP routes of one program (OpenAPI 3.1). */
export type ApiDescription = {
  readonly openapi: '3.1.0';
  readonly info: {
    readonly title: string;
    readonly version: string;
    readonly description: string;
    readonly license: { readonly name: string; readonly identifier: string };
  };
  readonly servers: readonly object[];
  readonly security?: readonly object[];
  readonly paths: Readonly<Record<string, Readonly<Partial<Record<ApiMethod, ApiOperation>>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly securitySchemes: Readonly<Record<string, object>>;
  };
};

export const APACHE_LICENSE = { name: 'Apache-2.0', identifier: 'Apache-2.0' } as const;

/** Refers to a schema of the same description. */
export const refer = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });

/** A schema of an object: its required and its optional members. */
export const describeObject = (
  required: Readonly<Record<string, JsonSchema>>,
  optional: Readonly<Record<string, JsonSchema>> = {},
): JsonSchema => ({
  type: 'object',
  required: Object.keys(required),
  properties: { ...required, ...optional },
});

export const describeList = (items: JsonSchema, maxItems?: number): JsonSchema => ({
  type: 'array',
  items,
  ...(maxItems !== undefined && { maxItems }),
});

/** Content of the type `application/json`. */
export const describeJson = (schema: JsonSchema): Content => ({ 'application/json': { schema } });
