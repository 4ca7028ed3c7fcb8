import { VERSION } from '../contract/version.ts';

/**
 * Settings file that the chart renders from its default values. The issuer is an example and the roles may
 * be of any account, because these two have no default. A test compares the two.
 */
export const DEFAULT_PLATFORM = [
  `sidecar: {image: "localhost/valetkey:${VERSION}"}`,
  'cloud: {region: us-east-1}',
  "tasks: {accountIds: ['*']}",
  'authority:',
  '  endpoint: "https://valetkey-authority.valetkey.svc"',
  '  issuer: "https://issuer.example/valetkey"',
  '  trustDomain: cluster.local',
].join('\n');
