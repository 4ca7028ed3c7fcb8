import type { RetryAction } from '../../async/retry.ts';
import { ExchangeError } from '../../contract/exchange.ts';
import type { CloudRequestError } from './cloud-request-error.ts';

type StsErrorRule = { readonly action: RetryAction; readonly description: string };

/**
 * STS's error codes, with and without the `Exception` that its documentation adds to some
 * (AssumeRoleWithWebIdentity, API reference), and what each asks of us.
 */
const STS_ERROR_RULES: ReadonlyMap<string, StsErrorRule> = new Map<string, StsErrorRule>([
  ['IDPCommunicationError', buildRetryRule('STS could not reach the issuer of the token')],
  ['Throttling', buildRetryRule('STS throttles')],
  ['ThrottlingException', buildRetryRule('STS throttles')],
  ['RequestLimitExceeded', buildRetryRule('STS throttles')],
  ['SlowDown', buildRetryRule('STS throttles')],
  ['ServiceUnavailable', buildRetryRule('STS is unavailable')],
  ['InternalFailure', buildRetryRule('STS failed')],
  ['InternalError', buildRetryRule('STS failed')],
  // Ceph RGW stores a user for each `sub` at its first exchange. Of several at once it refuses all but
  // one, with the code that it has for every EEXIST: shown by asking it (16.2).
  [
    'BucketAlreadyExists',
    buildRetryRule('another exchange of this workload is creating its user in the cloud'),
  ],
  ['ExpiredToken', buildRereadRule('STS holds the token to be expired')],
  [
    'InvalidIdentityToken',
    buildRereadRule(
      'STS does not accept the token: check issuer, audience and keys of the identity provider',
    ),
  ],
  [
    'AccessDenied',
    buildFinalRule(
      "the role's trust policy does not let this workload assume it, or a grant tag the session and set its source identity",
    ),
  ],
  ['MalformedPolicyDocument', buildFinalRule('STS does not understand the session policy')],
  [
    'PackedPolicyTooLarge',
    buildFinalRule(
      'the session policy is too large once packed: declare fewer or shorter resources and actions, or split the task in two',
    ),
  ],
  ['IDPRejectedClaim', buildFinalRule('the identity provider rejected the token')],
  ['RegionDisabled', buildFinalRule('STS is not activated in this region for the account')],
  [
    'ValidationError',
    buildFinalRule(
      'STS refused the request; a lifetime over the maximum session duration of the role is the usual cause',
    ),
  ],
]);

function buildRetryRule(description: string): StsErrorRule {
  return { action: 'retry', description };
}
function buildRereadRule(description: string): StsErrorRule {
  return { action: 'reread', description };
}
function buildFinalRule(description: string): StsErrorRule {
  return { action: 'final', description };
}

const findStsErrorRule = ({ code }: CloudRequestError): StsErrorRule | undefined =>
  STS_ERROR_RULES.get(code) ?? STS_ERROR_RULES.get(code.replace(/Exception$/, ''));

/**
 * What to do about a fault. No answer, 429, 5xx and a conflict with another request (409: RFC 9110,
 * section 15.5.10) are worth another try whatever their code: none of them is about the caller.
 */
export const classifyStsError = (fault: CloudRequestError): RetryAction => {
  const { status } = fault;
  const isUnavailable = status === undefined || status === 409 || status === 429 || status >= 500;
  return findStsErrorRule(fault)?.action ?? (isUnavailable ? 'retry' : 'final');
};

/** The fault as holding and serving know it: once nothing more is tried. */
export const toStsExchangeError = (fault: CloudRequestError, role: string): ExchangeError => {
  const says = findStsErrorRule(fault)?.description ?? formatUnknownError(fault);
  const detail = fault.message === '' ? '' : `; it says ${fault.message}`;
  const message = `${role}: ${says} (${fault.code}${detail})`;
  const isAnswer = classifyStsError(fault) !== 'retry' && fault.code !== 'sts_answer_invalid';
  const code = fault.status === undefined ? 'sts_unreachable' : fault.code;
  return new ExchangeError(isAnswer ? 'refused' : 'unavailable', code, message, { cause: fault });
};

const formatUnknownError = ({ status, code }: CloudRequestError): string => {
  if (status !== undefined) return `STS answered with HTTP ${status}`;
  return /CERT|SIGNATURE|ALTNAME/.test(code)
    ? 'the certificate of the STS endpoint is not trusted: check cloud.caBundle and cloud.stsEndpoint'
    : 'STS could not be reached: check cloud.stsEndpoint, cloud.httpsProxy and network policies';
};
