import { createActionTable } from './action-table.ts';

/** Our own access level, beside those of AWS: an action that changes who may do what. */
export const ESCALATION = 'Escalation';

/** A reviewed group of actions, for one reason. */
export type EscalationGroup = {
  readonly why: string;
  /** `service:Action`, where `*` matches any characters. */
  readonly actions: readonly string[];
};

/**
 * Actions that change permissions, trust, federation or membership. AWS labels many of them `Write`. Only
 * their writing actions count: reading permissions changes none.
 *
 * Patterns match by meaning, so that a new action of that name is included. What a pattern matches for
 * another reason is in {@link UNRELATED_ACTIONS}.
 */
export const ESCALATING_ACTIONS: readonly EscalationGroup[] = [
  {
    why: 'the service decides who has which permissions in the account or organization',
    actions: [
      'iam:*',
      'organizations:*',
      'sso:*',
      'sso-directory:*',
      'sso-oauth:*',
      'identitystore:*',
      'identitystore-auth:*',
      'identity-sync:*',
      'rolesanywhere:*',
      'ram:*',
      'controltower:*',
      'signin:*',
      'iq-permission:*',
      'mpa:*',
      'account:*',
      'verifiedpermissions:*',
      'ds-data:*',
    ],
  },
  {
    why: 'a policy of a resource, or of a service, permits or forbids access to it',
    actions: [
      '*:*Polic*',
      '*:*Permission*',
      '*:Put*Acl',
      'memorydb:*Acl',
      'qbusiness:DisableAclOnDataSource',
      'ec2:ModifyVpcEndpoint',
      'es:UpdateDomainConfig',
      'es:UpdateElasticsearchDomainConfig',
      'kms:ReplicateKey',
      'kafka-cluster:AlterCluster',
      'kendra:*AccessControlConfiguration',
      'mq:UpdateBrokerAccessConfiguration',
      'workmail:*AccessControlRule',
      'budgets:*BudgetAction',
      '*:UpdateConsoleActionSetEnforced',
    ],
  },
  {
    why: 'trust in an identity provider, a certificate or a directory decides who can sign in',
    actions: [
      '*:*Trust*',
      '*:*IdentityProvider*',
      '*:*IdentitySource*',
      '*:*IdentityCenter*',
      '*:*IdpConfig*',
      '*:*OpenIdConfig*',
      '*:*OidcConfig*',
      '*:*Saml*',
      '*:*Federation*',
      'cloudfront:*KeyGroup',
      'ds:*SharedDirectory',
      'ds:Enable*',
      'ds:Disable*',
      'eks:*CertificateAuthority',
      'eks:UpdateClusterConfig',
      'grafana:UpdateWorkspaceAuthentication',
      'quicksight:*IdentityPropagationConfig',
      'iot:RegisterCACertificate',
      'iot:*CertificateProvider',
      'kafka:BatchAssociateScramSecret',
      'kafka:UpdateSecurity',
      'logs:PutBearerTokenAuthentication',
      'workspaces:CreateRootClientCertificate',
      'workspaces:ModifyCertificateBasedAuthProperties',
    ],
  },
  {
    why: 'a grant, an access entry or an authorization gives a principal access',
    actions: [
      '*:*Grant*',
      '*:*AccessEntry',
      '*:*Authoriz*',
      '*:*Entitlement*',
      '*:*Principal*',
      '*:*PodIdentityAssociation',
      '*:*StudioSessionMapping',
      '*:*SecurityProfile*',
      '*:*Privileg*',
      'lakeformation:RegisterResource*',
      'lakeformation:*DataCellsFilter',
      'transfer:*Access',
      'elasticmapreduce:SetVisibleToAllUsers',
      'kendra:AssociateEntitiesToExperience',
      'kendra:*PersonasToEntities',
      'kendra:*PersonasFromEntities',
      'lakeformation:*OptIn',
      'qbusiness:*DataAccessor*',
      'securitylake:*Subscriber',
      'shield:AssociateDRTLogBucket',
    ],
  },
  {
    why: 'data or a resource is shared with another account, or with everyone',
    actions: [
      '*:*Share',
      '*:Share*',
      '*:Unshare*',
      '*:*SharedModel*',
      '*:*Sharing*',
      '*:*CrossAccount*',
      '*:*PublicAccess*',
      'ec2:ModifyImageAttribute',
      'ec2:ModifyFpgaImageAttribute',
      'rds:ModifyDBSnapshotAttribute',
      'rds:ModifyDBClusterSnapshotAttribute',
      'lambda:CreateFunctionUrlConfig',
      'lambda:UpdateFunctionUrlConfig',
      'lightsail:SetResourceAccessForBucket',
      'codebuild:UpdateProjectVisibility',
      'connect:*AnalyticsDataSet',
      '*:Link',
      'oam:*Link',
      'oam:*Sink',
      'workspaces:*AccountLinkInvitation',
      'route53domains:TransferDomainToAnotherAwsAccount',
      'logs:PutSubscriptionFilter',
    ],
  },
  {
    why: 'another role, or the settings that protect its keys, are attached to what runs',
    actions: [
      '*:*Role',
      '*:*Roles',
      '*:*RoleTo*',
      '*:*RoleFrom*',
      '*:*RoleAlias',
      '*:*RoleAssignment',
      '*:*RoleAssociation',
      '*:*IamInstanceProfile*',
      'ec2:ModifyInstanceMetadata*',
    ],
  },
  {
    why: 'membership, administration and users decide who has permissions within a service',
    actions: [
      '*:*AdminAccount',
      '*:*AppInstanceAdmin',
      '*:CreateAdmin',
      '*:RegisterAdmin',
      '*:DeregisterAdmin',
      '*:*Delegat*',
      '*:*GroupMember*',
      '*:*RoleMembership',
      '*:*FolderMembership',
      '*:*ProjectMembership',
      '*:*EnvironmentMembership',
      '*:*MemberToGroup',
      '*:*MemberFromGroup',
      '*:*OrganizationsAccess',
      '*:*OrganizationAccess*',
      'nimble:*Member*',
      'cognito-idp:Admin*',
      'cognito-idp:*Group',
      'cognito-idp:*ResourceServer',
      'cognito-idp:*UserPool',
      'cognito-idp:*UserPoolClient',
      'cognito-idp:SetUserPoolMfaConfig',
      'cognito-idp:SetRiskConfiguration',
      'cognito-identity:*IdentityPool',
      'elasticache:*User',
      'elasticache:*UserGroup',
      'memorydb:*User',
      'mq:*User',
      'quicksight:RegisterUser',
      'quicksight:UpdateUser',
      'transfer:*User',
      'storagegateway:UpdateSMBLocalGroups',
      'workdocs:UpdateUser*',
      'cognito-identity:SetPrincipalTagAttributeMap',
      'appstream:*User',
      'appstream:Batch*UserStack',
      'connect:CreateUser',
      'datazone:*EntityOwner',
      'datazone:AcceptSubscriptionRequest',
      'finspace:*User',
      'quicksight:CreateUser',
      'sagemaker:*Workforce',
      'sagemaker:*Workteam',
      'wickr:BatchCreateUser',
      'workdocs:ActivateUser',
      'workdocs:CreateUser',
    ],
  },
];

/** Actions that a pattern of {@link ESCALATING_ACTIONS} matches, but which change no permissions. */
export const UNRELATED_ACTIONS: readonly EscalationGroup[] = [
  {
    why: 'a policy about capacity, the keeping of data, caches, logs or networks',
    actions: [
      '*:*ScalingPolicy',
      '*:*LifecyclePolicy*',
      '*:*RetentionPolicy',
      '*:*TrafficPolicy*',
      'autoscaling:*Policy',
      'batch:*SchedulingPolicy',
      'cloudfront:*CachePolicy',
      'cloudfront:*ContinuousDeploymentPolicy',
      'cloudfront:*OriginRequestPolicy',
      'cloudfront:*ResponseHeadersPolicy',
      'ec2:*Ipam*Policy*',
      'ec2:*TransitGateway*Policy*',
      'ec2:CancelDeclarativePoliciesReport',
      'elasticfilesystem:PutBackupPolicy',
      'elasticloadbalancing:*LoadBalancerPolic*',
      'elasticloadbalancing:*StickinessPolicy',
      'elasticmapreduce:*AutoTerminationPolicy',
      'logs:*IndexPolicy',
      'logs:PutStorageTierPolicy',
      'mediaconvert:*Policy',
      'mediastore:*CorsPolicy',
      'mediastore:*MetricPolicy',
      'network-firewall:*FirewallPolicy*',
      'networkmanager:*CoreNetworkPolicy*',
      'networkmanager:*RoutingPolicyLabel',
      'resiliencehub:*Policy',
      'ses:UpdateReputationEntityPolicy',
      'storagegateway:*TapeCreationPolicy',
    ],
  },
  {
    why: 'analyzes or checks, and changes nothing',
    actions: [
      '*:*PolicyGeneration',
      'bedrock:*AutomatedReasoningPolicy*',
      'cloudwatch:SearchPrincipals',
      'datazone:ValidatePassRole',
      'elastictranscoder:TestRole',
      'elemental-support-cases:CheckCasePermission',
      'securityhub:*ConfigurationPolicy*',
      'securityhub:GenerateRecommendedPolicyV2',
      'sts:DecodeAuthorizationMessage',
    ],
  },
  {
    why: 'uses a role or signs in, and gives neither to anyone; the table of minting actions has it',
    actions: [
      'cognito-idp:AdminInitiateAuth',
      'cognito-idp:AdminRespondToAuthChallenge',
      'ssm:RequestManagedInstanceRoleToken',
      'sts:AssumeRole*',
      'sts:Get*',
      'workmail:AssumeImpersonationRole',
    ],
  },
  {
    why: 'opens a network path; identities stay as they are',
    actions: [
      '*:Authorize*SecurityGroup*',
      'ec2:*MulticastGroupMembers',
      'ec2:AuthorizeClientVpnIngress',
      'gamelift:*VpcPeeringAuthorization',
      'workspaces:AuthorizeIpRules',
    ],
  },
  {
    why: 'a license, money, or a product that has one of these words in its name',
    actions: [
      '*:*TrustedAdvisor*',
      'auditmanager:Batch*DelegationByAssessment',
      'batch:*QuotaShare',
      'bedrock:PutFoundationModelEntitlement',
      'codecatalyst:PutBillingAuthorization',
      'connect:StartScreenSharing',
      'ec2:CreateDelegateMac*',
      'evs:*Entitlement',
      'guardduty:*TrustedEntitySet',
      'iot:*SecurityProfile',
      'license-manager:*Grant*',
      'partnercentral:*RevenueShare*',
      'route53:*DelegationSet',
      'route53domains:*DelegationSigner*',
      'storagegateway:*FileShare',
      'trustedadvisor:*DelegatedAdmin',
      'vendor-insights:*SecurityProfile*',
    ],
  },
  {
    why: 'the consent of a third party to a connector, or a reminder of it',
    actions: [
      'appfabric:*AppAuthorization',
      'chatbot:DeleteSlackWorkspaceAuthorization',
      'events:DeauthorizeConnection',
      'route53domains:ResendOperationAuthorization',
    ],
  },
];

/**
 * Whether an action has the access level {@link ESCALATION}. What AWS labels `Permissions management` has it
 * too, so that one level is enough for a policy.
 *
 * @param action `service:Action`, concrete, in any case
 * @param levels the access levels of AWS
 */
export const isEscalating = (action: string, levels: readonly string[]): boolean => {
  if (levels.includes('Permissions management')) return true;
  if (levels.every((level) => READING.includes(level))) return false;
  return isListed(action) && !isUnrelated(action);
};

const READING = ['Read', 'List'];

const createMatcher = (groups: readonly EscalationGroup[]): ((action: string) => boolean) => {
  const find = createActionTable(groups.map(({ actions }) => ({ actions, value: true })));
  return (action) => find(action) ?? false;
};

const isListed = createMatcher(ESCALATING_ACTIONS);
const isUnrelated = createMatcher(UNRELATED_ACTIONS);
