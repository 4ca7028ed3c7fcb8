import { findActions } from './permissions.ts';
import { listS3Actions } from './s3.ts';
import { S3_HEADER_ACTIONS } from './s3-actions.ts';
import type { OperationTable, ServiceTable } from './table.ts';

/**
 * Lists the actions that at least one request can need. A task with another action cannot use it through
 * the gateway.
 *
 * @param tables of every signing name
 * @returns `service:Action`, in lower case
 */
export const listReachedActions = (tables: readonly OperationTable[]): ReadonlySet<string> => {
  const byHeader = S3_HEADER_ACTIONS.flatMap(({ object, bucket = object }) => [object, bucket]);
  const actions = [
    ...byHeader.map((action) => `s3:${action}`),
    ...tables.flatMap((table) =>
      table.services.flatMap((service) =>
        listOperations(service).flatMap((name) =>
          listActions(table, { service: service.id, name }),
        ),
      ),
    ),
  ];
  return new Set(actions.map((action) => action.toLowerCase()));
};

const listOperations = ({ rest = {}, names = [] }: ServiceTable): readonly string[] => [
  ...Object.keys(rest),
  ...names,
];

const listActions = (
  table: OperationTable,
  operation: { readonly service: string; readonly name: string },
): readonly string[] =>
  operation.service === 's3'
    ? listS3Actions(operation.name)
    : (findActions(table, operation) ?? []);
