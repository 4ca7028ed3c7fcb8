import { NEW_INSTALLATION } from '../contract/platform.ts';
import { VERSION } from '../contract/version.ts';

/**
 * Settings file that the chart renders from its default values. The issuer is an example and the roles may
 * be of any account, because these two have no default. A test compares the two.
 */
export const DEFAULT_PLATFORM = [
  `sidecar: {image: "localhost/valetkey:${VERSION}"}`,
  'cloud: {region: us-east-1}',
  `tasks: {accountIds: ['*'], delivery: ${NEW_INSTALLATION.delivery}}`,
  `policy: {vend: ${NEW_INSTALLATION.vend}}`,
  'authority:',
  '  endpoint: "https://valetkey-authority.valetkey.svc"',
  '  issuer: "https://issuer.example/valetkey"',
  '  trustDomain: cluster.local',
].join('\n');
