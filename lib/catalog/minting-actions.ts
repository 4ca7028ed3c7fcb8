import { patternsOverlap } from '../schema/wildcard-patterns.ts';

/**
 * Actions that issue credentials or open sessions which remain valid after the run. The deadline in the
 * session policy does not apply to them.
 */
export const MINTING_ACTIONS = [
  // Sessions and tokens of AWS itself.
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
  // Credentials of a service or of its resources.
  '*:Get*AuthorizationToken',
  '*:Get*Credentials*',
  '*:GetDataAccess',
  '*:Get*IdentityCenterAuthToken',
  '*:GlueNotebookRefreshCredentials',
  'events:RetrieveConnectionCredentials',
  'gamelift:RequestUploadCredentials',
  'gamelift:GetComputeAuthToken',
  // Long-lived keys and passwords.
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
  // Certificates that IoT and IAM Roles Anywhere exchange for credentials.
  'iot:CreateKeysAndCertificate',
  'iot:CreateCertificateFromCsr',
  'acm-pca:IssueCertificate',
  '*:Create*ApiKey',
  '*:GetResourceApiKey',
  // A service acts with a role for the caller.
  'iam:PassRole',
  // Tokens of a single service.
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
  // URLs that grant access to their bearer.
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
