import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  ESCALATING_ACTIONS,
  isEscalating,
  UNRELATED_ACTIONS,
  type EscalationGroup,
} from './escalating-actions.ts';
import { listAllActions, type DescribedAction } from './fixtures/all-actions.ts';
import { ESCALATION_EXEMPTIONS } from './fixtures/escalation-exemptions.ts';
import { listExempted, matchesAction } from './fixtures/exemptions.ts';

/** Words of a description that may mean a change of permissions, trust, federation or sharing. */
const DESCRIBED = [
  /permissions?\b|\bpolic(y|ies)\b|\btrust(s|ed)?\b|federat|identity provider|access entr/i,
  /cross-account|\bgrants?\b|privileg|authoriz(e|ation)\b|principal|public access|assign.* role/i,
  /\bshar(e|es|ing)\b.*\b(account|with)\b|monitoring account|access control/i,
];

let all: readonly DescribedAction[];
let candidates: readonly DescribedAction[];

beforeAll(async () => {
  all = await listAllActions();
  candidates = all.filter(isCandidate);
}, 60_000);

/** Reading changes nothing, and tags stay with the level `Tagging`. */
const isWriting = ({ levels }: DescribedAction): boolean =>
  levels.includes('Write') && !levels.includes('Tagging');

const isCandidate = (action: DescribedAction): boolean =>
  isWriting(action) &&
  DESCRIBED.some((words) => words.test(action.description.replaceAll(/\(.*?\)/g, '')));

const listPatterns = (groups: readonly EscalationGroup[]): readonly string[] =>
  groups.flatMap(({ actions }) => actions);

const listUnmatched = (
  patterns: readonly string[],
  among: readonly DescribedAction[],
): readonly string[] =>
  patterns.filter((each) => !among.some(({ name }) => matchesAction(each, name)));

describe('isEscalating', () => {
  it.each([
    'sso:CreateAccountAssignment',
    'sso:PutInlinePolicyToPermissionSet',
    'SSO:createaccountassignment',
    'sso-directory:AddMemberToGroup',
    'identitystore:CreateGroupMembership',
    'organizations:MoveAccount',
    'eks:AssociateAccessPolicy',
    'eks:CreateAccessEntry',
    'iam:AddUserToGroup',
    'iam:UpdateSAMLProvider',
    'iam:CreateOpenIDConnectProvider',
    'rolesanywhere:UpdateTrustAnchor',
    'ram:CreateResourceShare',
    'cognito-idp:AdminAddUserToGroup',
    'ec2:AssociateIamInstanceProfile',
    'kinesis:PutResourcePolicy',
    'datazone:AddEntityOwner',
    'datazone:AcceptSubscriptionRequest',
    'appstream:BatchAssociateUserStack',
    'quicksight:CreateUser',
    'sagemaker:UpdateWorkteam',
    'logs:PutSubscriptionFilter',
    'route53domains:TransferDomainToAnotherAwsAccount',
    'newservice:PutDoorPolicy',
    'newservice:AddDoorPermission',
  ])('is true for %s, which AWS labels Write', (action) => {
    expect(isEscalating(action, ['Write'])).toBe(true);
  });

  it.each(['iam:TagRole', 'organizations:TagResource'])(
    'is true for %s, as tags decide about permissions there',
    (action) => {
      expect(isEscalating(action, ['Tagging', 'Write'])).toBe(true);
    },
  );

  it.each(['s3:PutBucketPolicy', 'lambda:AddPermission', 'newservice:MoveDoor'])(
    'is true for %s, which AWS labels Permissions management',
    (action) => {
      expect(isEscalating(action, ['Permissions management', 'Write'])).toBe(true);
    },
  );

  it.each([
    ['iam:GetRole', 'Read'],
    ['iam:ListUsers', 'List'],
    ['sso:ListAccountAssignments', 'List'],
    ['kinesis:GetResourcePolicy', 'Read'],
    ['s3:PutObject', 'Write'],
    ['dynamodb:PutItem', 'Write'],
    ['autoscaling:PutScalingPolicy', 'Write'],
    ['ecr:PutLifecyclePolicy', 'Write'],
    ['logs:PutRetentionPolicy', 'Write'],
    ['sts:AssumeRole', 'Write'],
  ])('is false for %s', (action, level) => {
    expect(isEscalating(action, [level])).toBe(false);
  });

  it('leaves tags of other services as they are', () => {
    expect(isEscalating('s3:PutObjectTagging', ['Tagging', 'Write'])).toBe(false);
  });

  it('is true for every action that AWS labels Permissions management', () => {
    const managing = all.filter(({ levels }) => levels.includes('Permissions management'));
    expect(managing.length).toBeGreaterThan(300);
    expect(managing.filter(({ name, levels }) => !isEscalating(name, levels))).toEqual([]);
  });
});

describe('the table of escalating actions', () => {
  it('has a reason for each group', () => {
    const groups = [...ESCALATING_ACTIONS, ...UNRELATED_ACTIONS];
    expect(groups.filter(({ why }) => why === '')).toEqual([]);
  });

  it('has only patterns that match an existing action', () => {
    const writing = all.filter(({ levels }) => levels.includes('Write'));
    expect(listUnmatched(listPatterns(ESCALATING_ACTIONS), writing)).toEqual([]);
  });

  it('has only exceptions that a pattern would match', () => {
    const matched = all.filter(({ name }) =>
      listPatterns(ESCALATING_ACTIONS).some((each) => matchesAction(each, name)),
    );
    expect(listUnmatched(listPatterns(UNRELATED_ACTIONS), matched)).toEqual([]);
  });

  it('names each pattern once', () => {
    const patterns = listPatterns([...ESCALATING_ACTIONS, ...UNRELATED_ACTIONS]);
    expect(patterns.length).toBe(new Set(patterns).size);
  });
});

describe('the descriptions of all writing actions', () => {
  const exempted = [...listPatterns(UNRELATED_ACTIONS), ...listExempted(ESCALATION_EXEMPTIONS)];
  const isReviewed = ({ name, levels }: DescribedAction): boolean =>
    isEscalating(name, levels) || exempted.some((each) => matchesAction(each, name));

  it('mention no permissions of an action that is neither in the table nor exempted', () => {
    expect(candidates.length).toBeGreaterThan(500);
    const missing = candidates.filter((action) => !isReviewed(action));
    expect(missing.map(({ name }) => name)).toEqual([]);
  });

  it('would find an action that an update adds', () => {
    const [added] = [
      { name: 'newservice:AdmitGuest', description: 'add a trusted guest', levels: ['Write'] },
    ].filter(isCandidate);
    expect(added && isReviewed(added)).toBe(false);
  });

  it('justify every exemption, each of them once', () => {
    const own = listExempted(ESCALATION_EXEMPTIONS);
    expect(listUnmatched(own, candidates)).toEqual([]);
    expect(own.length).toBe(new Set(own).size);
    const contradicted = own.filter((each) => !each.includes('*') && isEscalating(each, ['Write']));
    expect(contradicted).toEqual([]);
  });
});
