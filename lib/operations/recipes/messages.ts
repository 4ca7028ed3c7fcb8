import type { CallInput } from '../call-input.ts';
import { InputError } from '../input-error.ts';
import { readList, readText } from '../request-body.ts';
import {
  checkName,
  formatArn,
  isArn,
  readArnLike,
  requireText,
  type ResourceScope,
} from '../resource-names.ts';
import { each, share, unresolved, type Recipes } from './recipe.ts';

const QUEUE_NAME = /^[\w-]{1,80}(?:\.fifo)?$/;
/** Any host: the service takes account and name from the path, and the region from its own endpoint. */
const QUEUE_URL = /^https?:\/\/[A-Za-z0-9.-]+(?::[0-9]{1,5})?\/([0-9]{12})\/([\w.-]+)$/;

const toQueue = (name: string, scope: ResourceScope): string =>
  formatArn(scope, 'sqs', checkName(name, 'the name of the queue', QUEUE_NAME));

const queueUrl = each(({ readText: read }, scope) => {
  const [, account, name = ''] =
    QUEUE_URL.exec(requireText(read('body.QueueUrl'), 'QueueUrl')) ?? [];
  if (account === undefined) throw new InputError('expected the URL of a queue in QueueUrl');
  return [toQueue(name, { ...scope, account })];
});

const queueName = each(({ readText: read }, scope) => {
  const account = read('body.QueueOwnerAWSAccountId') ?? scope.account;
  if (!/^(?:\d{12})?$/.test(account))
    throw new InputError('expected an account in QueueOwnerAWSAccountId');
  return [toQueue(requireText(read('body.QueueName'), 'QueueName'), { ...scope, account })];
});

const queueArn = each(({ readText: read }, scope) => {
  const text = requireText(read('body.SourceArn'), 'SourceArn');
  return [readArnLike(text, 'SourceArn', { scope, service: 'sqs', resource: QUEUE_NAME })];
});

export const SQS: Recipes = {
  ...share(queueUrl, 'SendMessage', 'SendMessageBatch', 'ReceiveMessage'),
  ...share(queueUrl, 'DeleteMessage', 'DeleteMessageBatch', 'PurgeQueue', 'DeleteQueue'),
  ...share(queueUrl, 'ChangeMessageVisibility', 'ChangeMessageVisibilityBatch'),
  ...share(queueUrl, 'GetQueueAttributes', 'SetQueueAttributes', 'ListDeadLetterSourceQueues'),
  ...share(
    queueUrl,
    'AddPermission',
    'RemovePermission',
    'ListQueueTags',
    'TagQueue',
    'UntagQueue',
  ),
  ...share(queueName, 'GetQueueUrl', 'CreateQueue'),
  ...share(queueArn, 'StartMessageMoveTask', 'ListMessageMoveTasks'),
};

const TOPIC_NAME = /^[\w-]{1,256}(?:\.fifo)?$/;
/** A topic, a subscription of it, or an application or endpoint of mobile push. */
const SNS_RESOURCE =
  /^(?:[\w-]+(?:\.fifo)?(?::[0-9a-f-]+)?|(?:app|endpoint)\/[\w.-]+(?:\/[\w.-]+)*)$/;

const readSnsArn = (text: string, place: string, scope: ResourceScope): string =>
  readArnLike(text, place, { scope, service: 'sns', resource: SNS_RESOURCE });

const snsArn = (place: string) =>
  each(({ readText: read }, scope) => [
    readSnsArn(requireText(read(`body.${place}`), place), place, scope),
  ]);

/** A text message to a telephone has no ARN; only a statement for `*` covers it. */
const publish = each(({ readText: read }, scope) => {
  const targets = ['TopicArn', 'TargetArn', 'PhoneNumber'].filter(
    (name) => read(`body.${name}`) !== undefined,
  );
  const [target = ''] = targets;
  if (targets.length !== 1)
    throw new InputError('expected one of TopicArn, TargetArn, PhoneNumber');
  return target === 'PhoneNumber'
    ? ['*']
    : [readSnsArn(requireText(read(`body.${target}`), target), target, scope)];
});

const topicName = each(({ readText: read }, scope) => [
  formatArn(scope, 'sns', checkName(requireText(read('body.Name'), 'Name'), 'Name', TOPIC_NAME)),
]);

export const SNS: Recipes = {
  Publish: publish,
  CreateTopic: topicName,
  ...share(snsArn('TopicArn'), 'PublishBatch', 'Subscribe', 'ListSubscriptionsByTopic'),
  ...share(snsArn('TopicArn'), 'GetTopicAttributes', 'SetTopicAttributes', 'DeleteTopic'),
  ...share(snsArn('TopicArn'), 'AddPermission', 'RemovePermission', 'ConfirmSubscription'),
  ...share(snsArn('ResourceArn'), 'TagResource', 'UntagResource', 'ListTagsForResource'),
  ...share(snsArn('ResourceArn'), 'GetDataProtectionPolicy', 'PutDataProtectionPolicy'),
};

const STREAM_NAME = /^[\w.-]{1,128}$/;
const STREAM = /^stream\/[\w.-]+$/;

const readStream = ({ readText: read }: CallInput, scope: ResourceScope): string | undefined => {
  const [arn, name] = [read('body.StreamARN'), read('body.StreamName')];
  // The newest way to name a stream: an ID, which no ARN has.
  if (read('body.StreamId') !== undefined) return undefined;
  const byName =
    name === undefined
      ? undefined
      : formatArn(scope, 'kinesis', `stream/${checkName(name, 'StreamName', STREAM_NAME)}`);
  const byArn =
    arn === undefined
      ? undefined
      : readArnLike(arn, 'StreamARN', { scope, service: 'kinesis', resource: STREAM });
  if (byName !== undefined && byArn !== undefined && byName !== byArn) {
    throw new InputError('expected one stream, found StreamName and StreamARN of two');
  }
  return byArn ?? byName;
};

const stream = each((input, scope) => [readStream(input, scope)]);

export const KINESIS: Recipes = {
  ...share(stream, 'PutRecord', 'PutRecords', 'GetRecords', 'GetShardIterator', 'ListShards'),
  ...share(stream, 'CreateStream', 'DeleteStream', 'DescribeStream', 'DescribeStreamSummary'),
  ...share(stream, 'AddTagsToStream', 'RemoveTagsFromStream', 'ListTagsForStream'),
  ...share(stream, 'DecreaseStreamRetentionPeriod', 'IncreaseStreamRetentionPeriod'),
  ...share(stream, 'DisableEnhancedMonitoring', 'EnableEnhancedMonitoring'),
  ...share(stream, 'MergeShards', 'SplitShard', 'UpdateShardCount'),
  ...share(stream, 'StartStreamEncryption', 'StopStreamEncryption', 'UpdateStreamMode'),
};

const BUS_NAME = /^[\w./-]{1,256}$/;
const RULE_NAME = /^[\w.-]{1,64}$/;
const DEFAULT_BUS = 'default';

const toBus = (text: string, scope: ResourceScope): string =>
  isArn(text)
    ? readArnLike(text, 'EventBusName', {
        scope,
        service: 'events',
        resource: /^event-bus\/[\w./-]+$/,
      })
    : formatArn(scope, 'events', `event-bus/${checkName(text, 'EventBusName', BUS_NAME)}`);

/** Each entry names its bus, else the default one. A global endpoint is no part of an entry. */
const putEvents = each(({ readBody, readText: read }, scope) => {
  if (read('body.EndpointId') !== undefined) return [undefined];
  const entries = readList(readBody(), 'Entries');
  if (entries.length === 0) throw new InputError('expected Entries');
  return entries.map((entry) => toBus(readText(entry, 'EventBusName') ?? DEFAULT_BUS, scope));
});

/** The ARN of a rule holds the name of its bus, except the default one. */
const rule = (place: string) =>
  each(({ readText: read }, scope) => {
    const name = checkName(requireText(read(`body.${place}`), place), place, RULE_NAME);
    const bus = toBus(read('body.EventBusName') ?? DEFAULT_BUS, scope);
    const [prefix = '', busName = ''] = bus.split(':event-bus/');
    return [`${prefix}:rule/${busName === DEFAULT_BUS ? '' : `${busName}/`}${name}`];
  });

const busIn = (place: string) =>
  each(({ readText: read }, scope) => [toBus(requireText(read(`body.${place}`), place), scope)]);

export const EVENTS: Recipes = {
  PutEvents: putEvents,
  ...share(rule('Name'), 'PutRule', 'DeleteRule', 'DescribeRule', 'EnableRule', 'DisableRule'),
  ...share(rule('Rule'), 'PutTargets', 'RemoveTargets', 'ListTargetsByRule'),
  ...share(busIn('Name'), 'CreateEventBus', 'DeleteEventBus'),
  ...share(unresolved, 'PutPermission', 'RemovePermission', 'UpdateEventBus', 'DescribeEventBus'),
};
