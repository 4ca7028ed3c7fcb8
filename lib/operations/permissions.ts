import type { Operation } from './operation.ts';
import { listS3Permissions, type RequiredPermission, type S3Request } from './s3.ts';
import type { OperationTable } from './table.ts';

/** An action, and the concrete ARN if it could be read from the request. */
export type Permission = Pick<RequiredPermission, 'action'> &
  Partial<Pick<RequiredPermission, 'resource'>>;

/**
 * IAM actions of operations that have another name than the operation, from the Service Authorization
 * Reference. S3 has its own table; operations that are neither here nor equal are refused.
 */
export const OPERATION_ACTIONS: ReadonlyMap<string, readonly string[]> = new Map([
  ['bedrock-runtime Converse', ['bedrock:InvokeModel']],
  ['bedrock-runtime ConverseStream', ['bedrock:InvokeModelWithResponseStream']],
  ['bedrock-runtime StartAsyncInvoke', ['bedrock:InvokeModel']],
  ['dynamodb TransactGetItems', ['dynamodb:GetItem']],
  ['kms ReEncrypt', ['kms:ReEncryptFrom', 'kms:ReEncryptTo']],
  ['lambda GetLayerVersionByArn', ['lambda:GetLayerVersion']],
  ['lambda Invoke', ['lambda:InvokeFunction']],
  ['lambda InvokeWithResponseStream', ['lambda:InvokeFunction']],
  ['sns PublishBatch', ['sns:Publish']],
  ['sqs ChangeMessageVisibilityBatch', ['sqs:ChangeMessageVisibility']],
  ['sqs DeleteMessageBatch', ['sqs:DeleteMessage']],
  ['sqs SendMessageBatch', ['sqs:SendMessage']],
]);

/** Finds the actions of an operation that is not of S3; undefined if they are not known. */
export const findActions = (
  table: OperationTable,
  { service, name }: Pick<Operation, 'service' | 'name'>,
): readonly string[] | undefined => {
  const { prefix, unmapped = [] } = table.services.find(({ id }) => id === service) ?? {};
  const isEqual = prefix !== undefined && !unmapped.includes(name);
  return (
    OPERATION_ACTIONS.get(`${service} ${name}`) ?? (isEqual ? [`${prefix}:${name}`] : undefined)
  );
};

/**
 * Lists the permissions that a recognized request needs.
 *
 * @param table the services of the request's signing name
 * @returns undefined if they are not known (`operation_unmapped`)
 */
export const listPermissions = (
  table: OperationTable,
  request: S3Request,
): readonly Permission[] | undefined => {
  const { operation } = request;
  return operation.service === 's3'
    ? listS3Permissions(request)
    : findActions(table, operation)?.map((action) => ({ action }));
};
