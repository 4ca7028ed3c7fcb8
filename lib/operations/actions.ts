import type { ServiceTable } from './table.ts';

/** IAM actions by operation name. */
type Actions = Readonly<Record<string, readonly string[]>>;

/** Names that differ from an action's in this beginning only, because a batch needs the single action. */
const single = (prefix: string, ...names: readonly string[]): Actions =>
  Object.fromEntries(names.map((name) => [name, [`${prefix}:${name.replace(/^Batch/, '')}`]]));

const all = (action: string, ...names: readonly string[]): Actions =>
  Object.fromEntries(names.map((name) => [name, [action]]));

const outposts = (...names: readonly string[]): Actions =>
  Object.fromEntries(names.map((name) => [name, [`s3-outposts:${name}`]]));

const NEPTUNE_QUERY = [
  'neptune-db:ReadDataViaQuery',
  'neptune-db:WriteDataViaQuery',
  'neptune-db:DeleteDataViaQuery',
];

/**
 * IAM actions of operations that have another name than the operation, from the Service Authorization
 * Reference and the API References, by botocore's name of the service. S3 has its own table. Operations
 * that are neither here nor equal are refused (`operation_unmapped`): `actions.test.ts` lists how many.
 */
export const OPERATION_ACTIONS: ReadonlyMap<string, Actions> = new Map<string, Actions>([
  [
    'accessanalyzer',
    {
      GetFindingV2: ['access-analyzer:GetFinding'],
      ListFindingsV2: ['access-analyzer:ListFindings'],
    },
  ],
  [
    'amplify',
    {
      CreateWebhook: ['amplify:CreateWebHook'],
      DeleteWebhook: ['amplify:DeleteWebHook'],
      GetWebhook: ['amplify:GetWebHook'],
      ListWebhooks: ['amplify:ListWebHooks'],
      UpdateWebhook: ['amplify:UpdateWebHook'],
    },
  ],
  [
    'apigatewaymanagementapi',
    all('execute-api:ManageConnections', 'DeleteConnection', 'GetConnection', 'PostToConnection'),
  ],
  ['appflow', { UnregisterConnector: ['appflow:UnRegisterConnector'] }],
  [
    'bcm-pricing-calculator',
    single(
      'bcm-pricing-calculator',
      'BatchCreateBillScenarioCommitmentModification',
      'BatchCreateBillScenarioUsageModification',
      'BatchCreateWorkloadEstimateUsage',
      'BatchDeleteBillScenarioCommitmentModification',
      'BatchDeleteBillScenarioUsageModification',
      'BatchDeleteWorkloadEstimateUsage',
      'BatchUpdateBillScenarioCommitmentModification',
      'BatchUpdateBillScenarioUsageModification',
      'BatchUpdateWorkloadEstimateUsage',
    ),
  ],
  ['bedrock-agent-runtime', all('bedrock:RetrieveAndGenerate', 'RetrieveAndGenerateStream')],
  [
    'bedrock-runtime',
    {
      Converse: ['bedrock:InvokeModel'],
      ConverseStream: ['bedrock:InvokeModelWithResponseStream'],
      StartAsyncInvoke: ['bedrock:InvokeModel'],
    },
  ],
  [
    'budgets',
    {
      ...all('budgets:ModifyBudget', 'CreateBudget', 'UpdateBudget', 'DeleteBudget'),
      ...all('budgets:ModifyBudget', 'CreateNotification', 'UpdateNotification'),
      ...all('budgets:ModifyBudget', 'DeleteNotification', 'CreateSubscriber', 'UpdateSubscriber'),
      ...all('budgets:ModifyBudget', 'DeleteSubscriber'),
      ...all('budgets:ViewBudget', 'DescribeBudget', 'DescribeBudgets'),
      ...all('budgets:ViewBudget', 'DescribeBudgetNotificationsForAccount'),
      ...all('budgets:ViewBudget', 'DescribeBudgetPerformanceHistory'),
      ...all('budgets:ViewBudget', 'DescribeNotificationsForBudget'),
      ...all('budgets:ViewBudget', 'DescribeSubscribersForNotification'),
    },
  ],
  ['cleanroomsml', { UntagResource: ['cleanrooms-ml:UnTagResource'] }],
  [
    'cloudfront',
    { CreateDistributionWithTags: ['cloudfront:CreateDistribution', 'cloudfront:TagResource'] },
  ],
  [
    'cloudsearchdomain',
    {
      Search: ['cloudsearch:search'],
      Suggest: ['cloudsearch:suggest'],
      UploadDocuments: ['cloudsearch:document'],
    },
  ],
  ['codeguru-reviewer', { UntagResource: ['codeguru-reviewer:UnTagResource'] }],
  ['customer-profiles', single('profile', 'BatchPutProfileObject')],
  [
    'deadline',
    single(
      'deadline',
      'BatchGetJob',
      'BatchGetSession',
      'BatchGetSessionAction',
      'BatchGetStep',
      'BatchGetTask',
      'BatchGetWorker',
      'BatchUpdateJob',
      'BatchUpdateTask',
    ),
  ],
  ['detective', all('detective:ListOrganizationAdminAccount', 'ListOrganizationAdminAccounts')],
  [
    'dynamodb',
    {
      TransactGetItems: ['dynamodb:GetItem'],
      TransactWriteItems: [
        'dynamodb:PutItem',
        'dynamodb:UpdateItem',
        'dynamodb:DeleteItem',
        'dynamodb:ConditionCheckItem',
      ],
    },
  ],
  ['iot-jobs-data', all('iot:StartCommandExecution', 'StartCommandExecution')],
  ['iotfleetwise', single('iotfleetwise', 'BatchCreateVehicle', 'BatchUpdateVehicle')],
  [
    'keyspaces',
    {
      ...all('cassandra:Create', 'CreateKeyspace', 'CreateTable', 'CreateType'),
      ...all('cassandra:Drop', 'DeleteKeyspace', 'DeleteTable', 'DeleteType'),
      ...all('cassandra:Alter', 'UpdateKeyspace', 'UpdateTable'),
      ...all('cassandra:Select', 'GetKeyspace', 'GetTable', 'GetTableAutoScalingSettings'),
      ...all('cassandra:Select', 'GetType', 'ListKeyspaces', 'ListTables', 'ListTypes'),
      ...all('cassandra:Select', 'ListTagsForResource'),
      ...all('cassandra:Restore', 'RestoreTable'),
    },
  ],
  ['kms', { ReEncrypt: ['kms:ReEncryptFrom', 'kms:ReEncryptTo'] }],
  [
    'lambda',
    {
      ...all('lambda:GetLayerVersion', 'GetLayerVersionByArn'),
      ...all('lambda:InvokeFunction', 'Invoke', 'InvokeWithResponseStream'),
    },
  ],
  ['lookoutequipment', { DescribeLabel: ['lookoutequipment:Describelabel'] }],
  [
    'mediaconnect',
    single(
      'mediaconnect',
      'BatchGetRouterInput',
      'BatchGetRouterNetworkInterface',
      'BatchGetRouterOutput',
    ),
  ],
  [
    'memorydb',
    {
      CreateACL: ['memorydb:CreateAcl'],
      DeleteACL: ['memorydb:DeleteAcl'],
      DescribeACLs: ['memorydb:DescribeAcls'],
      UpdateACL: ['memorydb:UpdateAcl'],
    },
  ],
  [
    'neptunedata',
    {
      // Which of the three a query needs is in its text.
      ExecuteGremlinQuery: NEPTUNE_QUERY,
      ExecuteOpenCypherQuery: NEPTUNE_QUERY,
      ExecuteGremlinExplainQuery: NEPTUNE_QUERY,
      ExecuteGremlinProfileQuery: NEPTUNE_QUERY,
      ExecuteOpenCypherExplainQuery: NEPTUNE_QUERY,
      ExecuteFastReset: ['neptune-db:ResetDatabase'],
      ...all('neptune-db:CancelQuery', 'CancelGremlinQuery'),
      ...all('neptune-db:GetQueryStatus', 'GetGremlinQueryStatus', 'GetOpenCypherQueryStatus'),
      ...all('neptune-db:GetQueryStatus', 'ListGremlinQueries', 'ListOpenCypherQueries'),
      ...all('neptune-db:GetStatisticsStatus', 'GetPropertygraphStatistics', 'GetSparqlStatistics'),
      ...all('neptune-db:ManageStatistics', 'ManagePropertygraphStatistics'),
      ...all('neptune-db:ManageStatistics', 'ManageSparqlStatistics'),
      ...all('neptune-db:DeleteStatistics', 'DeletePropertygraphStatistics'),
      ...all('neptune-db:GetGraphSummary', 'GetPropertygraphSummary', 'GetRDFGraphSummary'),
      ...all('neptune-db:GetStreamRecords', 'GetPropertygraphStream', 'GetSparqlStream'),
      ...all('neptune-db:GetMLDataProcessingJobStatus', 'GetMLDataProcessingJob'),
      ...all('neptune-db:GetMLEndpointStatus', 'GetMLEndpoint'),
      ...all('neptune-db:GetMLModelTrainingJobStatus', 'GetMLModelTrainingJob'),
      ...all('neptune-db:GetMLModelTransformJobStatus', 'GetMLModelTransformJob'),
    },
  ],
  ['redshift-data', all('redshift-data:GetStatementResult', 'GetStatementResultV2')],
  [
    'route53resolver',
    single(
      'route53resolver',
      'BatchCreateFirewallRule',
      'BatchDeleteFirewallRule',
      'BatchUpdateFirewallRule',
    ),
  ],
  [
    's3control',
    {
      GetPublicAccessBlock: ['s3:GetAccountPublicAccessBlock'],
      PutPublicAccessBlock: ['s3:PutAccountPublicAccessBlock'],
      DeletePublicAccessBlock: ['s3:PutAccountPublicAccessBlock'],
      // The API of S3 on Outposts: the same names as of S3, but other actions.
      ...outposts('CreateBucket', 'GetBucket', 'DeleteBucket', 'ListRegionalBuckets'),
      ...outposts('GetBucketPolicy', 'PutBucketPolicy', 'DeleteBucketPolicy'),
      ...outposts('GetBucketTagging', 'PutBucketTagging'),
      ...outposts('GetBucketVersioning', 'PutBucketVersioning'),
      ...all('s3-outposts:PutBucketTagging', 'DeleteBucketTagging'),
      ...all('s3-outposts:GetLifecycleConfiguration', 'GetBucketLifecycleConfiguration'),
      ...all('s3-outposts:PutLifecycleConfiguration', 'PutBucketLifecycleConfiguration'),
      ...all('s3-outposts:PutLifecycleConfiguration', 'DeleteBucketLifecycleConfiguration'),
      ...all('s3-outposts:GetReplicationConfiguration', 'GetBucketReplication'),
      ...all('s3-outposts:PutReplicationConfiguration', 'PutBucketReplication'),
      ...all('s3-outposts:PutReplicationConfiguration', 'DeleteBucketReplication'),
    },
  ],
  ['sns', all('sns:Publish', 'PublishBatch')],
  [
    'sqs',
    {
      ...all('sqs:ChangeMessageVisibility', 'ChangeMessageVisibilityBatch'),
      ...all('sqs:DeleteMessage', 'DeleteMessageBatch'),
      ...all('sqs:SendMessage', 'SendMessageBatch'),
    },
  ],
  [
    'taxsettings',
    {
      ...all('tax:GetExemptions', 'BatchGetTaxExemptions', 'ListTaxExemptions'),
      ...all('tax:UpdateExemptions', 'PutTaxExemption'),
    },
  ],
  ['timestream-query', { Query: ['timestream:Select'] }],
  [
    'verifiedpermissions',
    single(
      'verifiedpermissions',
      'BatchGetPolicy',
      'BatchIsAuthorized',
      'BatchIsAuthorizedWithToken',
    ),
  ],
  ['vpc-lattice', single('vpc-lattice', 'BatchUpdateRule')],
]);

/** Services whose actions are the methods of HTTP, on paths. */
export const METHOD_SERVICES: ReadonlySet<string> = new Set(['apigateway', 'apigatewayv2']);

/**
 * Finds the IAM actions of an operation.
 *
 * @param service with the prefix of its actions and the operations without an action of their name
 * @param method of the request
 * @returns undefined if they are not known (`operation_unmapped`)
 */
export const findActions = (
  { id, prefix, unmapped = [] }: Pick<ServiceTable, 'id' | 'prefix' | 'unmapped'>,
  name: string,
  method: string,
): readonly string[] | undefined => {
  const byHand = OPERATION_ACTIONS.get(id);
  if (byHand !== undefined && Object.hasOwn(byHand, name)) return byHand[name];
  if (prefix === undefined) return undefined;
  if (!unmapped.includes(name)) return [`${prefix}:${name}`];
  return METHOD_SERVICES.has(id) ? [`${prefix}:${method}`] : undefined;
};
