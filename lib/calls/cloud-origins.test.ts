import { describe, expect, it } from '@jest/globals';
import { createOriginFinder, getPartition } from './cloud-origins.ts';

const s3 = { signingName: 's3', service: { id: 's3', host: 's3' } };

describe('createOriginFinder', () => {
  it.each([
    ['eu-central-1', 'https://s3.eu-central-1.amazonaws.com'],
    ['cn-north-1', 'https://s3.cn-north-1.amazonaws.com.cn'],
    ['us-gov-west-1', 'https://s3.us-gov-west-1.amazonaws.com'],
    ['us-isob-east-1', 'https://s3.us-isob-east-1.sc2s.sgov.gov'],
    ['eusc-de-east-1', 'https://s3.eusc-de-east-1.amazonaws.eu'],
  ])('chooses the host of AWS in %s', (region, origin) => {
    const find = createOriginFinder({ region, dialect: 'aws' });
    expect(find({ ...s3, region })).toEqual({ ok: true, value: origin });
  });

  it('uses the label of the host, which differs from the signing name, and no region for IAM', () => {
    const find = createOriginFinder({
      region: 'eu-central-1',
      regions: ['eu-central-1', 'us-east-1'],
      dialect: 'aws',
    });
    const watch = { signingName: 'monitoring', service: { id: 'cloudwatch', host: 'monitoring' } };
    expect(find({ ...watch, region: 'eu-central-1' })).toEqual({
      ok: true,
      value: 'https://monitoring.eu-central-1.amazonaws.com',
    });
    const iam = { signingName: 'iam', service: { id: 'iam', host: 'iam' } };
    expect(find({ ...iam, region: 'us-east-1' })).toEqual({
      ok: true,
      value: 'https://iam.amazonaws.com',
    });
  });

  it('prefers the endpoint of the region, then that of every region', () => {
    const find = createOriginFinder({
      region: 'a',
      regions: ['a', 'b'],
      dialect: 's3',
      endpoints: [
        { service: 's3', url: 'https://any.example' },
        { service: 's3', region: 'b', url: 'https://b.example' },
      ],
    });
    expect(find({ ...s3, region: 'a' })).toEqual({ ok: true, value: 'https://any.example' });
    expect(find({ ...s3, region: 'b' })).toEqual({ ok: true, value: 'https://b.example' });
  });

  it('refuses an operation that the User-Agent chose where one endpoint serves all its candidates', () => {
    const call = { signingName: 'rds', service: { id: 'rds', host: 'rds' }, region: 'a' };
    const endpoints = [{ service: 'rds', url: 'https://rds.example' }];
    const narrowed = { ...call, isNarrowed: true };
    expect(createOriginFinder({ region: 'a', dialect: 'aws', endpoints })(narrowed)).toMatchObject({
      ok: false,
      refusal: { code: 'operation_ambiguous' },
    });
    expect(createOriginFinder({ region: 'a', dialect: 'aws', endpoints })(call)).toMatchObject({
      ok: true,
    });
    expect(createOriginFinder({ region: 'a', dialect: 'aws' })(narrowed)).toMatchObject({
      ok: true,
    });
  });

  it('refuses a region that is not listed, and a service without endpoint at a private cloud', () => {
    const find = createOriginFinder({ region: 'a', dialect: 's3' });
    expect(find({ ...s3, region: 'b' })).toMatchObject({
      ok: false,
      refusal: { code: 'region_outside' },
    });
    expect(find({ ...s3, region: 'a' })).toMatchObject({
      ok: false,
      refusal: { code: 'operation_unknown', message: 'cloud.endpoints has no entry for s3' },
    });
  });
});

describe('getPartition', () => {
  it('is aws for all regions without a prefix of another partition', () => {
    expect(getPartition('us-east-1')).toBe('aws');
    expect(getPartition('cn-north-1')).toBe('aws-cn');
    expect(getPartition('minio')).toBe('aws');
  });
});
