import { InputError } from '../input-error.ts';
import type { Permission } from '../operation.ts';
import { readList, readMember, readText } from '../request-body.ts';
import {
  checkName,
  formatArn,
  isArn,
  readArnLike,
  requireText,
  type ResourceScope,
} from '../resource-names.ts';
import { each, share, type Recipe, type Recipes } from './recipe.ts';

/** Amazon DynamoDB API Reference: `TableName` is a name or an ARN. */
const TABLE_NAME = /^[\w.-]{1,255}$/;
const TABLE = /^table\/[\w.-]+$/;
/** Of a table, an index, a stream or a backup. */
const OF_TABLE = /^table\/[\w.-]+(?:\/(?:index|stream|backup|export|import)\/[\w.:-]+)?$/;

const toTable = (text: string, scope: ResourceScope): string =>
  isArn(text)
    ? readArnLike(text, 'TableName', { scope, service: 'dynamodb', resource: TABLE })
    : formatArn(scope, 'dynamodb', `table/${checkName(text, 'TableName', TABLE_NAME)}`);

const readTable = (structure: unknown, scope: ResourceScope): string =>
  toTable(requireText(readText(structure, 'TableName'), 'TableName'), scope);

const table = each(({ readBody }, scope) => [readTable(readBody(), scope)]);

/** IAM checks a query of an index on the index alone. */
const tableOrIndex = each(({ readBody }, scope) => {
  const index = readText(readBody(), 'IndexName');
  const own = readTable(readBody(), scope);
  return [index === undefined ? own : `${own}/index/${checkName(index, 'IndexName', TABLE_NAME)}`];
});

/** `RequestItems` is a map whose names are tables. */
const requestItems = each(({ readBody }, scope) => {
  const items = readMember(readBody(), 'RequestItems');
  if (typeof items !== 'object' || items === null || Array.isArray(items)) {
    throw new InputError('expected tables in RequestItems');
  }
  const names = Object.keys(items);
  if (names.length === 0) throw new InputError('expected tables in RequestItems');
  return names.map((name) => toTable(name, scope));
});

const TRANSACTION_ACTIONS: Readonly<Record<string, string>> = {
  Get: 'dynamodb:GetItem',
  Put: 'dynamodb:PutItem',
  Update: 'dynamodb:UpdateItem',
  Delete: 'dynamodb:DeleteItem',
  ConditionCheck: 'dynamodb:ConditionCheckItem',
};

const readTransactItem = (item: unknown, scope: ResourceScope): Permission => {
  const found = Object.entries(TRANSACTION_ACTIONS).flatMap(([name, action]) => {
    const structure = readMember(item, name);
    return structure === undefined ? [] : [{ action, resource: readTable(structure, scope) }];
  });
  const [permission] = found;
  if (permission === undefined || found.length > 1) {
    throw new InputError(
      'expected one of Get, Put, Update, Delete, ConditionCheck in TransactItems',
    );
  }
  return permission;
};

const transactItems: Recipe = ({ input, scope }) => {
  const items = readList(input.readBody(), 'TransactItems');
  if (items.length === 0) throw new InputError('expected items in TransactItems');
  return items.map((item) => readTransactItem(item, scope));
};

const arnIn = (place: string) =>
  each(({ readText: read }, scope) => {
    const text = requireText(read(`body.${place}`), place);
    return [readArnLike(text, place, { scope, service: 'dynamodb', resource: OF_TABLE })];
  });

/**
 * DynamoDB. PartiQL (`ExecuteStatement` and its twins) names tables and actions in a language: it has no
 * action in `actions.ts`, and is refused.
 */
export const DYNAMODB: Recipes = {
  ...share(table, 'GetItem', 'PutItem', 'UpdateItem', 'DeleteItem'),
  ...share(table, 'CreateTable', 'DescribeTable', 'UpdateTable', 'DeleteTable', 'CreateBackup'),
  ...share(table, 'DescribeContinuousBackups', 'UpdateContinuousBackups'),
  ...share(table, 'DescribeTimeToLive', 'UpdateTimeToLive'),
  ...share(table, 'DescribeKinesisStreamingDestination', 'EnableKinesisStreamingDestination'),
  ...share(table, 'DisableKinesisStreamingDestination', 'UpdateKinesisStreamingDestination'),
  ...share(table, 'DescribeTableReplicaAutoScaling', 'UpdateTableReplicaAutoScaling'),
  ...share(tableOrIndex, 'Query', 'Scan', 'DescribeContributorInsights'),
  ...share(tableOrIndex, 'UpdateContributorInsights'),
  ...share(requestItems, 'BatchGetItem', 'BatchWriteItem'),
  ...share(transactItems, 'TransactGetItems', 'TransactWriteItems'),
  ...share(arnIn('ResourceArn'), 'TagResource', 'UntagResource', 'ListTagsOfResource'),
  ...share(arnIn('ResourceArn'), 'GetResourcePolicy', 'PutResourcePolicy', 'DeleteResourcePolicy'),
  ...share(arnIn('BackupArn'), 'DescribeBackup', 'DeleteBackup'),
  DescribeExport: arnIn('ExportArn'),
  DescribeImport: arnIn('ImportArn'),
  ExportTableToPointInTime: arnIn('TableArn'),
};

export const DYNAMODB_STREAMS: Recipes = { DescribeStream: arnIn('StreamArn') };
