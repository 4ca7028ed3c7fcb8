export const REGION = 'eu-central-1';
export const CLOUD_AUDIENCE = 'sts.amazonaws.com';
export const TRUST_DOMAIN = 'demo.example';

/** Platform settings with lifetimes of seconds, so that the demo can wait for a deadline. */
export const buildPlatform = (given: {
  /** Endpoint of the embedded cloud, for STS and S3. */
  readonly cloudEndpoint: string;
  /** URL of the authority, which also serves the issuer's documents. */
  readonly endpoint: string;
}): object => ({
  trust: 'authority',
  sidecar: { image: 'registry.example/valetkey:demo' },
  cloud: {
    region: REGION,
    stsEndpoint: given.cloudEndpoint,
    endpoints: [{ service: 's3', url: given.cloudEndpoint }],
    allowHttp: true,
    dialect: 's3',
    sourceRestriction: { mode: 'podIP' },
  },
  // As the chart sets them in new installations.
  tasks: { minLifetime: '5s', delivery: 'sign' },
  policy: { vend: 'exception' },
  authority: {
    endpoint: given.endpoint,
    issuer: given.endpoint,
    trustDomain: TRUST_DOMAIN,
    cloudAudience: CLOUD_AUDIENCE,
  },
});
