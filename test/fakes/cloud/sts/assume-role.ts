import { deflateRawSync } from 'node:zlib';
import { requireRoleArn } from '../../../../lib/schema/arn.ts';
import { createAccessDenied, createInvalidParameter } from '../cloud-error.ts';
import { isAllowed } from '../iam/iam-evaluation.ts';
import { readPolicy, type PolicyDocument } from '../iam/policy-document.ts';
import type { CloudPlan, RolePlan } from '../cloud-plan.ts';
import { readParameters } from './parameters.ts';
import { createRandomName, type Session, type Sessions } from './sessions.ts';
import { createTokenVerifier, type WebIdentity } from './web-identity.ts';

const ACTION = 'sts:AssumeRoleWithWebIdentity';
const DEFAULT_MAX_SESSION_SECONDS = 3_600;

type Role = {
  readonly arn: string;
  readonly id: string;
  readonly trust: PolicyDocument;
  readonly policy: PolicyDocument;
  readonly maxSessionSeconds: number;
};

/** What STS answers, ready to be written as XML. */
export type AssumedRole = {
  readonly Credentials: {
    readonly AccessKeyId: string;
    readonly SecretAccessKey: string;
    readonly SessionToken: string;
    readonly Expiration: string;
  };
  readonly SubjectFromWebIdentityToken: string;
  readonly AssumedRoleUser: { readonly AssumedRoleId: string; readonly Arn: string };
  readonly Provider: string;
  readonly Audience: string;
  readonly PackedPolicySize?: number;
};

/**
 * `AssumeRoleWithWebIdentity`: checks the form, then the token, then the role's trust, then the
 * session policy, and issues temporary keys.
 *
 * @throws CloudError with the code that STS would return
 */
export const createAssumeRole = (plan: CloudPlan, sessions: Sessions) => {
  const roles = new Map(plan.roles.map((role) => [role.arn, createRole(role)]));
  const verify = createTokenVerifier(plan.providers, plan.now);
  return async (form: URLSearchParams, sourceIp: string): Promise<AssumedRole> => {
    const parameters = readParameters(form);
    const identity = await verify(parameters.token);
    const role = roles.get(parameters.roleArn);
    if (role === undefined || !isTrusted(role, identity, sourceIp)) {
      throw createAccessDenied(`Not authorized to perform ${ACTION}`);
    }
    if (parameters.durationSeconds > role.maxSessionSeconds) {
      throw createInvalidParameter(
        'DurationSeconds exceeds the MaxSessionDuration set for this role',
      );
    }
    const { policy } = parameters;
    const session = sessions.issue({
      expiresAt: plan.now() + parameters.durationSeconds * 1000,
      userId: `${role.id}:${parameters.sessionName}`,
      arn: buildSessionArn(role, parameters.sessionName),
      policies: [role.policy, ...(policy === undefined ? [] : [readPolicy(policy, 'session')])],
    });
    return toAssumedRole(session, { identity, policy });
  };
};

const createRole = (plan: RolePlan): Role => ({
  arn: plan.arn,
  id: `AROA${createRandomName(17)}`,
  trust: readPolicy(plan.trustPolicy, 'trust'),
  policy: readPolicy(plan.policy, 'role'),
  maxSessionSeconds: plan.maxSessionSeconds ?? DEFAULT_MAX_SESSION_SECONDS,
});

const isTrusted = (role: Role, identity: WebIdentity, sourceIp: string): boolean => {
  const provider = identity.issuer.replace(/^https?:\/\//, '');
  const { account } = requireRoleArn(role.arn);
  const context = new Map([
    [`${provider}:sub`.toLowerCase(), identity.subject],
    [`${provider}:aud`.toLowerCase(), identity.audience],
    ['aws:sourceip', sourceIp],
  ]);
  const federated = `arn:aws:iam::${account}:oidc-provider/${provider}`;
  return listRequiredActions(identity).every((action) =>
    isAllowed([role.trust], { action, federated, context }),
  );
};

/** What a token brings along the role must let it bring. */
const listRequiredActions = ({ hasTags, hasSourceIdentity }: WebIdentity): readonly string[] => [
  ACTION,
  ...(hasTags ? ['sts:TagSession'] : []),
  ...(hasSourceIdentity ? ['sts:SetSourceIdentity'] : []),
];

/** As STS writes it: without the role's path. */
const buildSessionArn = ({ arn }: Role, sessionName: string): string => {
  const { partition, account, name } = requireRoleArn(arn);
  return `arn:${partition}:sts::${account}:assumed-role/${name}/${sessionName}`;
};

const toAssumedRole = (
  session: Session,
  given: { identity: WebIdentity; policy: string | undefined },
): AssumedRole => ({
  Credentials: {
    AccessKeyId: session.accessKeyId,
    SecretAccessKey: session.secretAccessKey,
    SessionToken: session.sessionToken,
    Expiration: new Date(session.expiresAt).toISOString().replace(/\.\d+Z$/, 'Z'),
  },
  SubjectFromWebIdentityToken: given.identity.subject,
  AssumedRoleUser: {
    AssumedRoleId: session.userId,
    Arn: session.arn,
  },
  Provider: given.identity.issuer,
  Audience: given.identity.audience,
  ...(given.policy !== undefined && { PackedPolicySize: computePackedPercent(given.policy) }),
});

/** AWS does not say how it packs; deflation against the limit on the plain text comes near. */
const computePackedPercent = (policy: string): number =>
  Math.ceil((deflateRawSync(policy).length / 2048) * 100);
