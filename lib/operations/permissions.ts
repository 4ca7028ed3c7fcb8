import { findActions, METHOD_SERVICES } from './actions.ts';
import { createCallInput } from './call-input.ts';
import { InputError } from './input-error.ts';
import type { Permission } from './operation.ts';
import { each, unresolved, type Recipe } from './recipes/recipe.ts';
import { findRecipe } from './recipes/recipes.ts';
import { formatArn, type ResourceScope } from './resource-names.ts';
import { compileTemplate } from './resource-templates.ts';
import { listS3Permissions, type S3Request } from './s3.ts';
import type { OperationTable, ServiceTable } from './table.ts';

/** A recognized request, and where its resources are. */
export type PermissionRequest = S3Request & ResourceScope;

/** What a request needs, or why that is not known. */
export type PermissionsResult =
  | { readonly ok: true; readonly permissions: readonly Permission[]; readonly isMinting: boolean }
  | {
      readonly ok: false;
      readonly code: 'operation_unmapped' | 'request_malformed';
      readonly message: string;
    };

/** API Gateway: the resource is the path, in version 2 without its beginning. */
const pathRecipe = (path: string): Recipe =>
  /[%:]|^\/tags\//.test(path)
    ? unresolved
    : each((_, scope) => [
        formatArn({ ...scope, account: '' }, 'apigateway', path.replace(/^\/v2\//, '/')),
      ]);

/** The templates are alternatives to a recipe by hand; every one of them is a resource that is needed. */
const compileRecipe = (
  { id, resources = {}, unmapped = [] }: ServiceTable,
  { operation, request }: PermissionRequest,
): Recipe => {
  const { name } = operation;
  const templates = Object.hasOwn(resources, name) ? (resources[name] ?? []) : [];
  const reads = templates.map(compileTemplate);
  if (METHOD_SERVICES.has(id) && unmapped.includes(name)) return pathRecipe(request.target.path);
  return (
    findRecipe(id, name) ??
    (reads.length === 0
      ? unresolved
      : each((input, scope) => reads.flatMap((read) => read(input, scope))))
  );
};

const listByRecipe = (
  service: ServiceTable,
  request: PermissionRequest,
): readonly Permission[] | undefined => {
  const { operation } = request;
  const actions = findActions(service, operation.name, request.request.method);
  if (actions === undefined) return undefined;
  const input = createCallInput(operation, request.request, request.body);
  const { partition, region, account } = request;
  return compileRecipe(service, request)({ actions, input, scope: { partition, region, account } });
};

/**
 * Lists the permissions that a recognized request needs.
 *
 * @param table the services of the request's signing name
 */
export const listPermissions = (
  table: OperationTable,
  request: PermissionRequest,
): PermissionsResult => {
  const { operation } = request;
  const service = table.services.find(({ id }) => id === operation.service);
  try {
    const permissions =
      operation.service === 's3'
        ? listS3Permissions(request)
        : service && listByRecipe(service, request);
    return permissions === undefined
      ? {
          ok: false,
          code: 'operation_unmapped',
          message: `the permissions of ${operation.service} ${operation.name} are not known`,
        }
      : { ok: true, permissions, isMinting: service?.mints?.includes(operation.name) ?? false };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const message = `${operation.service} ${operation.name}: ${error.message}`;
    return { ok: false, code: 'request_malformed', message };
  }
};
