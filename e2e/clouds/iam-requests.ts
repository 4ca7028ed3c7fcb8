import { computeThumbprint } from '../cluster/issuer-documents.ts';
import type { Cloud } from './cloud.ts';
import { sendAsAdmin } from './signed-request.ts';

/** An issuer for RGW to trust; `x5c` is the certificate of its key in its JWKS. */
export type OpenIdProvider = { issuer: string; audiences: string[]; x5c: string };

/** Registers an issuer, unless it is already registered. */
export async function createOpenIdProvider(cloud: Cloud, provider: OpenIdProvider): Promise<void> {
  await callIam(cloud, 'CreateOpenIDConnectProvider', {
    Url: provider.issuer,
    ...Object.fromEntries(
      provider.audiences.map((audience, index) => [`ClientIDList.member.${index + 1}`, audience]),
    ),
    'ThumbprintList.member.1': computeThumbprint(provider.x5c),
  });
}

export async function deleteOpenIdProvider(cloud: Cloud, issuer: string): Promise<void> {
  await callIam(cloud, 'DeleteOpenIDConnectProvider', {
    OpenIDConnectProviderArn: buildProviderArn(issuer),
  });
}

const buildProviderArn = (issuer: string): string =>
  `arn:aws:iam:::oidc-provider/${issuer.replace('https://', '')}`;

export type RolePlan = {
  name: string;
  /** Trusted issuer, `https://…`; default: the cluster's issuer. */
  issuer?: string;
  /** `namespace:name`; either part may be `*`. */
  serviceAccounts?: string[];
  /** Whole `sub` values for another issuer; may contain `*`. */
  subjects?: string[];
  /** Further IAM conditions. */
  conditions?: Record<string, Record<string, string[]>>;
  /** IAM policy of the role. */
  policy: object;
};

/** Creates or replaces a role with a trust policy and one inline policy; adds it to `cloud.roles`; returns its ARN. */
export async function createRole(cloud: Cloud, plan: RolePlan): Promise<string> {
  const trust = JSON.stringify(buildTrustPolicy(plan));
  const role = { RoleName: plan.name, Path: '/', MaxSessionDuration: '43200' };
  await callIam(cloud, 'CreateRole', { ...role, AssumeRolePolicyDocument: trust });
  await callIam(cloud, 'UpdateAssumeRolePolicy', { RoleName: plan.name, PolicyDocument: trust });
  await putRolePolicy(cloud, { role: plan.name, name: 'what-it-may', policy: plan.policy });
  const arn = `arn:aws:iam:::role/${plan.name}`;
  cloud.roles[plan.name] = arn;
  return arn;
}

export type RolePolicyPlan = { role: string; name: string; policy: object };

export async function putRolePolicy(
  cloud: Cloud,
  { role, name, policy }: RolePolicyPlan,
): Promise<void> {
  await callIam(cloud, 'PutRolePolicy', {
    RoleName: role,
    PolicyName: name,
    PolicyDocument: JSON.stringify(policy),
  });
}

export async function deleteRolePolicy(
  cloud: Cloud,
  { role, name }: Omit<RolePolicyPlan, 'policy'>,
): Promise<void> {
  await callIam(cloud, 'DeleteRolePolicy', { RoleName: role, PolicyName: name });
}

function buildTrustPolicy(plan: RolePlan): object {
  const provider = (plan.issuer ?? 'https://10.10.0.2/k8s').replace('https://', '');
  const accounts = (plan.serviceAccounts ?? []).map(
    (account) => `system:serviceaccount:${account}`,
  );
  const subjects = [...accounts, ...(plan.subjects ?? [])];
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Federated: [buildProviderArn(provider)] },
        Action: ['sts:AssumeRoleWithWebIdentity', 'sts:TagSession'],
        Condition: { StringLike: { [`${provider}:sub`]: subjects }, ...plan.conditions },
      },
    ],
  };
}

/**
 * Calls the IAM API; returns XML. Clusters are reused, so creating an existing entity or deleting a missing
 * one is not an error.
 */
export async function callIam(
  cloud: Cloud,
  action: string,
  parameters: Record<string, string>,
): Promise<string> {
  const accept = action.startsWith('Create') ? [409] : action.startsWith('Delete') ? [404] : [];
  const { body } = await sendAsAdmin(
    cloud,
    {
      service: 'iam',
      method: 'POST',
      path: '/',
      body: encodeForm({ Action: action, Version: '2010-05-08', ...parameters }),
      contentType: 'application/x-www-form-urlencoded',
    },
    accept,
  );
  return body;
}

function encodeForm(parameters: Record<string, string>): string {
  const pairs = Object.entries(parameters).map(
    ([name, value]) => `${name}=${encodeURIComponent(value)}`,
  );
  return pairs.join('&');
}
