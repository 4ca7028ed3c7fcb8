export const REGION = 'eu-central-1';
export const CLOUD_AUDIENCE = 'sts.amazonaws.com';
export const TRUST_DOMAIN = 'demo.example';

/** Lifetimes of seconds, so that one can watch a deadline pass; else as a platform would write it. */
export const buildPlatform = (given: {
  /** Of the embedded cloud. */
  readonly stsEndpoint: string;
  /** Of the authority, which also serves the issuer's documents. */
  readonly endpoint: string;
}): object => ({
  trust: 'authority',
  sidecar: { image: 'registry.example/valetkey:demo' },
  cloud: {
    region: REGION,
    stsEndpoint: given.stsEndpoint,
    allowHttp: true,
    dialect: 's3',
    sourceRestriction: { mode: 'podIP' },
  },
  tasks: { minLifetime: '5s', accountIds: ['111122223333'] },
  authority: {
    endpoint: given.endpoint,
    issuer: given.endpoint,
    trustDomain: TRUST_DOMAIN,
    cloudAudience: CLOUD_AUDIENCE,
  },
});
