import { findActions } from './actions.ts';
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
    ...tables
      .flatMap(({ services }) => services)
      .flatMap((service) => listOperations(service).flatMap((name) => listActions(service, name))),
  ];
  return new Set(actions.map((action) => action.toLowerCase()));
};

const listOperations = ({ rest = {}, names = [] }: ServiceTable): readonly string[] => [
  ...Object.keys(rest),
  ...names,
];

const listActions = (service: ServiceTable, name: string): readonly string[] => {
  if (service.id === 's3') return listS3Actions(name);
  const [method = ''] = service.rest?.[name]?.http.split(' ') ?? [];
  return findActions(service, name, method) ?? [];
};
