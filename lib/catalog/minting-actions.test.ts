import { beforeAll, describe, expect, it } from '@jest/globals';
import { listAllActions, type DescribedAction } from './fixtures/all-actions.ts';
import { listExempted, matchesAction } from './fixtures/exemptions.ts';
import { MINTING_EXEMPTIONS } from './fixtures/minting-exemptions.ts';
import { findMinted, MINTED_TEXT, MINTING_ACTIONS } from './minting-actions.ts';

/** Words of a description that may mean access which outlives a run. */
const DESCRIBED = [
  /token|credential|pass(word|code|phrase)|key ?pairs?\b|pre-?signed|oauth|one-time/i,
  /\bassum(e|es|ing)\b|login(?!sights)|\bsign(s|ed)?[- ]in\b|\blog[ -](in|on)(to)?\b/i,
  /\b(api|access|private|scim|stream)[ -]?keys?\b|\bssh\b|\bshell\b|tunnel|web ?socket/i,
  /\b(open|start|create|establish|initiate|resume|join)[a-z ]* sessions?\b|session (url|endpoint)/i,
  /\b(temporary|unique|signed|streaming|embed)[a-z ]* url|url to (start|connect)/i,
  /^connect\b|to connect (as|to) |export .*certificate|issue .*certificate/i,
];
/** Parts of a name that may mean the same. */
const NAMED = [
  /token|credential|password|keypair|presigned|login(?!puts)|apikey|accesskey|ssh(?!are)|shell|tunnel|websocket/i,
  /oauth|^assume|connect$|(streaming|embed|session|presigned)url|sessionendpoint/i,
  /^(start|create|open|resume|join)\w*session$|(issue|export)\w*certificate/i,
];

let all: readonly DescribedAction[];
let candidates: readonly string[];

beforeAll(async () => {
  all = await listAllActions();
  candidates = all.filter(isCandidate).map(({ name }) => name);
}, 60_000);

const isCandidate = ({
  name,
  description,
}: Pick<DescribedAction, 'name' | 'description'>): boolean => {
  const own = name.slice(name.indexOf(':') + 1);
  const plain = description.replaceAll(/\(.*?\)/g, '');
  return DESCRIBED.some((words) => words.test(plain)) || NAMED.some((words) => words.test(own));
};

describe('findMinted', () => {
  it.each([
    ['sts:AssumeRole', 'credentials'],
    ['sts:AssumeRoleWithWebIdentity', 'credentials'],
    ['STS:GETFEDERATIONTOKEN', 'credentials'],
    ['sts:GetSessionToken', 'credentials'],
    ['deadline:AssumeQueueRoleForUser', 'credentials'],
    ['deadline:AssumeFleetRoleForWorker', 'credentials'],
    ['iq-permission:AssumePermissionRole', 'credentials'],
    ['workmail:AssumeImpersonationRole', 'credentials'],
    ['aws-external-anthropic:AssumeConsole', 'credentials'],
    ['redshift:GetClusterCredentials', 'credentials'],
    ['redshift:GetClusterCredentialsWithIAM', 'credentials'],
    ['s3:GetDataAccess', 'credentials'],
    ['cognito-identity:GetCredentialsForIdentity', 'credentials'],
    ['ecr:GetAuthorizationToken', 'token'],
    ['codeartifact:GetAuthorizationToken', 'token'],
    ['sso-oauth:CreateTokenWithIAM', 'token'],
    ['signin:AuthorizeOAuth2Access', 'token'],
    ['signin:CreateOAuth2Token', 'token'],
    ['athena:GetSessionEndpoint', 'token'],
    ['elasticmapreduce:GetSessionEndpoint', 'token'],
    ['emr-serverless:GetSessionEndpoint', 'token'],
    ['ivs:CreateParticipantToken', 'token'],
    ['ivschat:CreateChatToken', 'token'],
    ['iam:CreateAccessKey', 'key'],
    ['iam:CreateLoginProfile', 'key'],
    ['transfer:ImportSshPublicKey', 'key'],
    ['lightsail:CreateContainerServiceRegistryLogin', 'key'],
    ['lightsail:GetInstanceAccessDetails', 'key'],
    ['cognito-idp:AdminSetUserPassword', 'key'],
    ['iot:CreateKeysAndCertificate', 'certificate'],
    ['iot:CreateProvisioningClaim', 'certificate'],
    ['acm:ExportCertificate', 'certificate'],
    ['appstream:CreateImageBuilderStreamingURL', 'url'],
    ['iam:PassRole', 'role'],
    ['ssm:StartSession', 'shell'],
    ['ssm:SendCommand', 'shell'],
    ['iot:OpenTunnel', 'shell'],
    ['bedrock-agentcore:InvokeAgentRuntimeCommandShell', 'shell'],
    ['rds-db:connect', 'connection'],
    ['dsql:DbConnect', 'connection'],
    ['dsql:DbConnectAdmin', 'connection'],
    ['kafka-cluster:Connect', 'connection'],
    ['elasticache:Connect', 'connection'],
    ['memorydb:Connect', 'connection'],
  ])('finds that %s mints: %s', (action, minted) => {
    expect(findMinted(action)).toBe(minted);
  });

  it.each([
    's3:GetObject',
    'sts:GetCallerIdentity',
    'iam:GetCredentialReport',
    'iam:DeleteLoginProfile',
    'ssm:GetParameter',
    'secretsmanager:GetSecretValue',
  ])('finds nothing that %s mints', (action) => {
    expect(findMinted(action)).toBeUndefined();
  });

  it.each([
    ['codepipeline:PollForJobs', 'credentials'],
    ['codepipeline:GetJobDetails', 'credentials'],
    ['datazone:GetConnection', 'credentials'],
    ['gamelift:CreateBuild', 'credentials'],
    ['gamelift:GetInstanceAccess', 'credentials'],
    ['chime:GetBot', 'token'],
    ['wickr:GetOidcInfo', 'token'],
    ['codebuild:CreateWebhook', 'key'],
    ['ivs:GetIngestConfiguration', 'key'],
    ['mediapackage:DescribeChannel', 'key'],
    ['route53domains:TransferDomainToAnotherAwsAccount', 'key'],
  ])('finds that %s mints: %s, which only its response says', (action, minted) => {
    expect(findMinted(action)).toBe(minted);
  });

  it.each([
    'rds:ModifyDBInstance',
    'rds:ModifyDBCluster',
    'redshift:ModifyCluster',
    'redshift-serverless:UpdateNamespace',
    'docdb-elastic:UpdateCluster',
    'elasticache:ModifyReplicationGroup',
    'lightsail:UpdateRelationalDatabase',
    'es:UpdateDomainConfig',
    'fsx:UpdateStorageVirtualMachine',
    'glue:UpdateDevEndpoint',
    'connect:CreateUser',
    'workmail:CreateUser',
  ])('finds that %s sets a password or key, which only its parameters say', (action) => {
    expect(findMinted(action)).toBe('key');
  });

  it('matches an action by the meaning of its name before the table names it', () => {
    expect(findMinted('newservice:AssumeWorkerRole')).toBe('credentials');
    expect(findMinted('newservice:GetSessionEndpoint')).toBe('token');
  });
});

describe('the table of minting actions', () => {
  it('has a reason and a text for each group', () => {
    for (const { mints, why } of MINTING_ACTIONS) {
      expect(MINTED_TEXT[mints]).toMatch(/^[a-z]/);
      expect(why).not.toBe('');
    }
  });

  it('has only patterns that match an existing action', () => {
    const patterns = MINTING_ACTIONS.flatMap(({ actions }) => actions);
    expect(patterns.filter((each) => !all.some(({ name }) => matchesAction(each, name)))).toEqual(
      [],
    );
  });

  it('names each pattern once', () => {
    const patterns = MINTING_ACTIONS.flatMap(({ actions }) => actions);
    expect(patterns.length).toBe(new Set(patterns).size);
  });
});

describe('the descriptions of all actions', () => {
  const exempted = listExempted(MINTING_EXEMPTIONS);
  const isReviewed = (action: string): boolean =>
    findMinted(action) !== undefined || exempted.some((each) => matchesAction(each, action));

  it('find many candidates, so that the words still fit the data', () => {
    expect(candidates.length).toBeGreaterThan(400);
    expect(candidates).toEqual(expect.arrayContaining(['sts:AssumeRole', 'ssm:StartSession']));
  });

  it('mention no credential of an action that is neither in the table nor exempted', () => {
    expect(candidates.filter((action) => !isReviewed(action))).toEqual([]);
  });

  it('would find an action that an update adds', () => {
    const added = [
      { name: 'glue:MakeNotebookKey', description: 'create temporary credentials for a notebook' },
      { name: 'newservice:CreateDoorLogin', description: 'open a door' },
    ];
    expect(
      added
        .filter(isCandidate)
        .map(({ name }) => name)
        .filter(isReviewed),
    ).toEqual([]);
    expect(added.filter(isCandidate)).toHaveLength(2);
  });

  it('justify every exemption, each of them once', () => {
    const unused = exempted.filter(
      (each) => !candidates.some((action) => matchesAction(each, action)),
    );
    expect(unused).toEqual([]);
    expect(exempted.length).toBe(new Set(exempted).size);
    const contradicted = exempted.filter(
      (each) => !each.includes('*') && findMinted(each) !== undefined,
    );
    expect(contradicted).toEqual([]);
  });
});
