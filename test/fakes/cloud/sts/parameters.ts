import { parseRoleArn } from '../../../../lib/schema/arn.ts';
import { CloudError, createInvalidParameter } from '../cloud-error.ts';

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
  const policy = readOptionalPolicy(form);
  return {
    roleArn: readRoleArn(form),
    sessionName: readMatching(form, 'RoleSessionName', SESSION_NAME),
    token: readMatching(form, 'WebIdentityToken', /^.{4,20000}$/s),
    durationSeconds: readDuration(form),
    ...(policy !== undefined && { policy }),
  };
};

const readMatching = (form: URLSearchParams, name: string, pattern: RegExp): string => {
  const value = form.get(name);
  if (value === null) throw new CloudError('MissingParameter', 400, `${name} is required`);
  if (!pattern.test(value)) throw createInvalidParameter(`${name} must match ${pattern.source}`);
  return value;
};

const readRoleArn = (form: URLSearchParams): string => {
  const text = readMatching(form, 'RoleArn', /^.+$/);
  if (parseRoleArn(text) === undefined) throw createInvalidParameter('RoleArn must name a role');
  return text;
};

const readDuration = (form: URLSearchParams): number => {
  const seconds = Number(form.get('DurationSeconds') ?? DURATION.otherwise);
  if (!Number.isInteger(seconds) || seconds < DURATION.least || seconds > DURATION.most) {
    throw createInvalidParameter(`DurationSeconds must be ${DURATION.least} to ${DURATION.most}`);
  }
  return seconds;
};

const readOptionalPolicy = (form: URLSearchParams): string | undefined => {
  const policy = form.get('Policy') ?? undefined;
  if (policy !== undefined && policy.length > MAX_POLICY_LENGTH) {
    throw createInvalidParameter(`Policy must have at most ${MAX_POLICY_LENGTH} characters`);
  }
  return policy;
};
