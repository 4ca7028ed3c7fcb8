import { BEDROCK_RUNTIME, LAMBDA, LOGS, STATES } from './compute.ts';
import { DYNAMODB, DYNAMODB_STREAMS } from './dynamodb.ts';
import { EVENTS, KINESIS, SNS, SQS } from './messages.ts';
import type { Recipe, Recipes } from './recipe.ts';
import { KMS, SECRETS_MANAGER, SSM } from './secrets.ts';

/** Recipes by hand, by botocore's name of the service. They win over the generated templates. */
export const RECIPES: ReadonlyMap<string, Recipes> = new Map([
  ['bedrock-runtime', BEDROCK_RUNTIME],
  ['dynamodb', DYNAMODB],
  ['dynamodbstreams', DYNAMODB_STREAMS],
  ['events', EVENTS],
  ['kinesis', KINESIS],
  ['kms', KMS],
  ['lambda', LAMBDA],
  ['logs', LOGS],
  ['secretsmanager', SECRETS_MANAGER],
  ['sns', SNS],
  ['sqs', SQS],
  ['ssm', SSM],
  ['stepfunctions', STATES],
]);

export const findRecipe = (service: string, name: string): Recipe | undefined => {
  const recipes = RECIPES.get(service);
  return recipes !== undefined && Object.hasOwn(recipes, name) ? recipes[name] : undefined;
};
