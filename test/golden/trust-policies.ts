import { buildOauthMetadata, buildOpenidConfiguration } from '../../lib/grant/issuer-documents.ts';
import {
  toAwsCommands,
  toTerraform,
  buildTrustPolicy,
  type TrustRequest,
} from '../../lib/grant/trust-policy.ts';

const ROLES = [
  'arn:aws:iam::111122223333:role/agent-reports',
  'arn:aws-cn:iam::111122223333:role/team/a/agent',
  'arn:aws:iam:::role/agent-reports',
  'arn:minio:iam:::role/agent.reports',
];
const TRUSTED: readonly TrustRequest['trusted'][] = [
  'authority',
  { namespaces: [], tags: {} },
  { namespaces: ['research'], serviceAccount: 'agent', task: 'summarize', tags: {} },
  {
    namespaces: ['research', 'sales'],
    task: 'summarize',
    tags: { 'valetkey-param-customer': 'acme' },
  },
  { namespaces: ['research'], tags: { 'valetkey-task': "it's ${x}" } },
];
const issuer = {
  issuer: 'https://issuer.example/prod',
  cloudAudience: 'sts.amazonaws.com',
  trustDomain: 'prod.example',
};
const THUMBPRINTS = [[], ['ab'.repeat(20), 'cd'.repeat(20)]];

const REQUESTS: readonly TrustRequest[] = ROLES.flatMap((role) =>
  TRUSTED.flatMap((trusted) =>
    (['aws', 's3'] as const).flatMap((dialect) =>
      THUMBPRINTS.map((thumbprints) => ({ issuer, dialect, role, trusted, thumbprints })),
    ),
  ),
);

/** Trust policies in each form, and the documents of an issuer. */
export const captureTrustPolicies = (): object => ({
  policies: REQUESTS.map((request) => buildTrustPolicy(request)),
  commands: REQUESTS.map(toAwsCommands),
  terraform: REQUESTS.map(toTerraform),
  openid: buildOpenidConfiguration({ ...issuer, algorithm: 'ES256' }),
  oauth: buildOauthMetadata({ ...issuer, endpoint: 'https://valetkey-authority.valetkey.svc' }),
});
