import { VERSION } from '../contract/version.ts';

const AUTHORITY = 'https://valetkey-authority.valetkey.svc';

/** Settings file that the chart renders from its default values; a test compares the two. */
export const DEFAULT_PLATFORM = [
  `sidecar: {image: "localhost/valetkey:${VERSION}"}`,
  'cloud: {region: us-east-1}',
  `authority: {endpoint: "${AUTHORITY}", issuer: "${AUTHORITY}", trustDomain: cluster.local}`,
].join('\n');
