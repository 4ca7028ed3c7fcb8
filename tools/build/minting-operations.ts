import { patternsOverlap } from '../../lib/schema/wildcard-patterns.ts';
import type { Shape } from './operation-resources.ts';

/** Members of an answer that may hold access which outlives the run. */
const ACCESS =
  /secretaccesskey|sessiontoken$|accesstoken$|authtoken|bearertoken|idtoken$|refreshtoken|authorizationtoken|jointoken|^token$|tokenvalue|oauthtoken|password$|privatekey|apikey$|authcode|clientsecret$|^secret$|streamkey$|presigned|signedurl|embedurl|loginurl|authorizedurl|secretstring$|credential$/i;

/** Structures of an answer below this are lists of what was created before. */
const MAX_DEPTH = 2;

/**
 * Operations whose answer holds access that works after the run, found by its members and reviewed by
 * hand. The catalog knows all others by their actions (`lib/catalog/minting-actions.ts`).
 */
export const MINTING_OPERATIONS: ReadonlySet<string> = new Set([
  'bedrock-agentcore ProcessPayment',
  'ec2 ExportVerifiedAccessInstanceClientConfiguration',
  'evs GetDepotUrl',
  'glue GetJob',
  'iotwireless AssociateAwsAccountWithPartnerAccount',
  'marketplace-reporting GetBuyerDashboard',
  'route53domains RetrieveDomainAuthCode',
  'securityagent UpdateIntegration',
  'wickr GetOpentdfConfig',
  'wickr RegisterOidcConfig',
  'wickr RegisterOpentdfConfig',
]);

/** Reviewed operations (`service Operation`, `*` for any characters) that hand out no such access. */
const EXEMPTIONS: readonly { readonly why: string; readonly operations: readonly string[] }[] = [
  {
    why: 'a URL of the data of one object, for minutes: who may call can read or write the same data',
    operations: [
      'artifact *',
      'bedrock-agent-runtime GetDocumentContent',
      'cognito-idp *UserImportJob',
      'connect GetPromptFile',
      'dataexchange *',
      'gamelift GetGameSessionLogUrl',
      'greengrassv2 GetComponentVersionArtifact',
      'groundstation GetAgentTaskResponseUrl',
      'mailmanager *AddressListImportJob',
      'qbusiness GetDocumentContent',
      'security-ir GetCaseAttachment*Url',
      'taxsettings GetTaxRegistrationDocument',
    ],
  },
  {
    why: 'the service hides the value, or answers with what the caller has just sent',
    operations: [
      'appstream *DirectoryConfig',
      'amplify *App',
      'amplify *Branch',
      'codebuild *Project',
      'connecthealth GetPatientInsightsJob',
      'datasync DescribeLocation*',
      'dms *Endpoint',
      'docdb *',
      'ec2 *VerifiedAccessTrustProvider',
      'emr DescribeCluster',
      'fsx *',
      'lexv2-models *BotRecommendation',
      'lightsail GetRelationalDatabase',
      'neptune *',
      'bedrock-agentcore-control *CredentialProvider',
      'pinpoint *Channel',
      'rds *',
      'redshift *',
    ],
  },
  {
    why: 'a number of a version or of a state, a proof of ownership, or a password of a device at its beginning',
    operations: [
      'bedrock-agentcore GetPaymentInstrumentBalance',
      'cloudhsmv2 *Cluster',
      'cognito-sync ListRecords',
      'elasticache *',
      'neptunedata ExecuteFastReset',
      'quicksight DescribeOAuthClientApplication',
      'ec2 *IpamExternalResourceVerificationToken',
      'entityresolution *',
      'securityagent *TargetDomain',
    ],
  },
  {
    why: 'what the task declares is to read or make this very secret',
    operations: [
      'kms GenerateDataKeyPair*',
      'secretsmanager GetRandomPassword',
      'secretsmanager GetSecretValue',
    ],
  },
];

const isExempted = (operation: string): boolean =>
  EXEMPTIONS.some(({ operations }) =>
    operations.some((pattern) => patternsOverlap(pattern, operation)),
  );

const hasAccess = (
  shapes: Readonly<Record<string, Shape>>,
  shape: string | undefined,
  depth = 0,
): boolean =>
  depth <= MAX_DEPTH &&
  Object.entries(shapes[shape ?? '']?.members ?? {}).some(([name, { shape: inner }]) => {
    const { type } = shapes[inner] ?? {};
    return type === 'structure'
      ? hasAccess(shapes, inner, depth + 1)
      : (type === 'string' || type === 'blob') && ACCESS.test(name);
  });

/** Decides whether an operation mints by what its answer holds, or that it must be reviewed. */
export const reviewAnswer = (
  operation: string,
  shapes: Readonly<Record<string, Shape>>,
  output: string | undefined,
): 'mints' | 'harmless' | 'unreviewed' => {
  if (MINTING_OPERATIONS.has(operation)) return 'mints';
  return hasAccess(shapes, output) && !isExempted(operation) ? 'unreviewed' : 'harmless';
};
