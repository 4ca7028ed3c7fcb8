import { patternsOverlap } from '../schema/wildcard-patterns.ts';

/**
 * Actions whose answer is itself a credential, or a door, that outlives the run that asked for it: a
 * deadline in a session policy cannot reach what they hand out.
 */
export const MINTING_ACTIONS = [
  // Sessions and tokens of the cloud itself.
  '*:AssumeRole*',
  'sts:AssumeRoot',
  '*:GetFederationToken',
  'sts:GetSessionToken',
  'sts:GetServiceBearerToken',
  'sts:GetWebIdentityToken',
  'sts:GetDelegatedAccessToken',
  'cognito-identity:GetOpenIdToken*',
  's3express:CreateSession',
  'ssm:RequestManagedInstanceRoleToken',
  // Credentials of a service or of what it holds.
  '*:Get*AuthorizationToken',
  '*:Get*Credentials*',
  '*:GetDataAccess',
  '*:Get*IdentityCenterAuthToken',
  '*:GlueNotebookRefreshCredentials',
  'events:RetrieveConnectionCredentials',
  'gamelift:RequestUploadCredentials',
  'gamelift:GetComputeAuthToken',
  // Keys and passwords that stay.
  'iam:CreateAccessKey',
  'iam:UpdateAccessKey',
  'iam:*LoginProfile',
  'iam:ChangePassword',
  'iam:*ServiceSpecificCredential',
  'iam:UploadSigningCertificate',
  'iam:UploadSSHPublicKey',
  'lightsail:CreateBucketAccessKey',
  'lightsail:GetBucketAccessKeys',
  'lightsail:GetRelationalDatabaseMasterUserPassword',
  'ec2:GetPasswordData',
  'ec2:CreateKeyPair',
  'lightsail:CreateKeyPair',
  'lightsail:DownloadDefaultKeyPair',
  'lightsail:GetInstanceAccessDetails',
  // Certificates that IoT and IAM Roles Anywhere trade for credentials.
  'iot:CreateKeysAndCertificate',
  'iot:CreateCertificateFromCsr',
  'acm-pca:IssueCertificate',
  '*:Create*ApiKey',
  '*:GetResourceApiKey',
  // A service that acts with a role on one's behalf.
  'iam:PassRole',
  // Tokens of a service's own.
  '*:Create*AccessToken',
  '*:Get*AccessToken*',
  'sso-directory:CreateBearerToken',
  'grafana:CreateWorkspaceServiceAccountToken',
  'license-manager:CreateToken',
  'signin:CreateOAuth2Token',
  '*:GetResource*Token',
  '*:Get*ConnectionToken',
  'codeguru-reviewer:CreateConnectionToken',
  'cognito-idp:AdminInitiateAuth',
  'cognito-idp:*RespondToAuthChallenge',
  'cognito-idp:GetTokensFromRefreshToken',
  'lambda:CreateMicrovm*AuthToken',
  'airflow:Create*Token',
  'amplifybackend:CreateToken',
  'connect:AdminGetEmergencyAccessToken',
  'glue:RefreshOAuth2Tokens',
  'iot:RotateTunnelAccessToken',
  'quicksight:GetAuthCode',
  // Addresses that let their bearer in.
  '*:Create*PresignedUrl*',
  '*:CreatePresigned*Url*',
  'elasticmapreduce:Get*PresignedURL',
  'appstream:CreateStreamingURL',
  'quicksight:GenerateEmbedUrl*',
  'quicksight:Get*EmbedUrl',
  // Shells and tunnels.
  '*:StartSession',
  'ssm:ResumeSession',
  'cloudshell:CreateSession',
  'ecs:ExecuteCommand',
  'ec2-instance-connect:*',
] as const;

/** @param action `service:Action`, concrete, in any case */
export const isMintingAction = (action: string): boolean => {
  const name = action.toLowerCase();
  return PATTERNS.some((pattern) => patternsOverlap(pattern, name));
};

const PATTERNS = MINTING_ACTIONS.map((pattern) => pattern.toLowerCase());
