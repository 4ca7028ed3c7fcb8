import { CloudError, invalidParameter } from '../cloud-error.ts';

/** The checked parameters of `AssumeRoleWithWebIdentity`. */
export type AssumeParameters = {
  readonly roleArn: string;
  readonly sessionName: string;
  readonly token: string;
  readonly durationSeconds: number;
  /** Text of the session policy. */
  readonly policy?: string;
};

const API_VERSION = '2011-06-15';
const MAX_POLICY_LENGTH = 2048;
/** A private cloud's role ARN may have no account. */
const ROLE_ARN = /^arn:[a-z-]+:iam::(\d{12})?:role\/[\w+=,.@/-]+$/;
const SESSION_NAME = /^[\w+=,.@-]{2,64}$/;
const DURATION = { least: 900, most: 43_200, otherwise: 3_600 };

/**
 * Reads and checks the form of the call (API Reference, AssumeRoleWithWebIdentity).
 *
 * @throws CloudError `ValidationError`, `MissingParameter` or `InvalidAction`
 */
export const readParameters = (form: URLSearchParams): AssumeParameters => {
  const action = form.get('Action');
  if (action !== 'AssumeRoleWithWebIdentity') {
    throw new CloudError('InvalidAction', 400, `Could not find operation ${action ?? ''}`);
  }
  if (form.get('Version') !== API_VERSION) {
    throw new CloudError('InvalidAction', 400, `Version must be ${API_VERSION}`);
  }
  const policy = optionalPolicy(form);
  return {
    roleArn: matching(form, 'RoleArn', ROLE_ARN),
    sessionName: matching(form, 'RoleSessionName', SESSION_NAME),
    token: matching(form, 'WebIdentityToken', /^.{4,20000}$/s),
    durationSeconds: duration(form),
    ...(policy !== undefined && { policy }),
  };
};

const matching = (form: URLSearchParams, name: string, pattern: RegExp): string => {
  const value = form.get(name);
  if (value === null) throw new CloudError('MissingParameter', 400, `${name} is required`);
  if (!pattern.test(value)) throw invalidParameter(`${name} must match ${pattern.source}`);
  return value;
};

const duration = (form: URLSearchParams): number => {
  const seconds = Number(form.get('DurationSeconds') ?? DURATION.otherwise);
  if (!Number.isInteger(seconds) || seconds < DURATION.least || seconds > DURATION.most) {
    throw invalidParameter(`DurationSeconds must be ${DURATION.least} to ${DURATION.most}`);
  }
  return seconds;
};

const optionalPolicy = (form: URLSearchParams): string | undefined => {
  const policy = form.get('Policy') ?? undefined;
  if (policy !== undefined && policy.length > MAX_POLICY_LENGTH) {
    throw invalidParameter(`Policy must have at most ${MAX_POLICY_LENGTH} characters`);
  }
  return policy;
};
