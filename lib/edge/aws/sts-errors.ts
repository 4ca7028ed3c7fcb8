import type { RetryAction } from '../../async/retry.ts';
import { ExchangeError } from '../../contract/exchange.ts';
import type { CloudRequestError } from './cloud-request-error.ts';

type StsErrorRule = { readonly action: RetryAction; readonly description: string };

/**
 * What to do about STS's error codes (AssumeRoleWithWebIdentity, API reference). The documentation adds
 * `Exception` to some of them; both forms are accepted.
 */
const STS_ERROR_RULES: ReadonlyMap<string, StsErrorRule> = new Map<string, StsErrorRule>([
  ['IDPCommunicationError', buildRetryRule('STS could not reach the issuer of the token')],
  ['Throttling', buildRetryRule('STS throttles requests')],
  ['ThrottlingException', buildRetryRule('STS throttles requests')],
  ['RequestLimitExceeded', buildRetryRule('STS throttles requests')],
  ['SlowDown', buildRetryRule('STS throttles requests')],
  ['ServiceUnavailable', buildRetryRule('STS is unavailable')],
  ['InternalFailure', buildRetryRule('STS failed')],
  ['InternalError', buildRetryRule('STS failed')],
  // Ceph RGW stores a user for each `sub` at its first exchange. Of several concurrent ones it refuses
  // all but one, with the code that it uses for every EEXIST (observed with 16.2).
  [
    'BucketAlreadyExists',
    buildRetryRule('another exchange of this workload is creating its user in the cloud'),
  ],
  ['ExpiredToken', buildRereadRule('STS reports that the token is expired')],
  [
    'InvalidIdentityToken',
    buildRereadRule(
      'STS does not accept the token: check the issuer, audience and keys of the identity provider',
    ),
  ],
  [
    'AccessDenied',
    buildFinalRule(
      "the role's trust policy does not allow this workload to assume it, or does not allow sts:TagSession and sts:SetSourceIdentity",
    ),
  ],
  ['MalformedPolicyDocument', buildFinalRule('STS rejects the session policy as malformed')],
  [
    'PackedPolicyTooLarge',
    buildFinalRule(
      'the packed session policy is too large: declare fewer or shorter resources and actions, or split the task',
    ),
  ],
  ['IDPRejectedClaim', buildFinalRule('the identity provider rejected the token')],
  ['RegionDisabled', buildFinalRule('STS is not activated in this region for the account')],
  [
    'ValidationError',
    buildFinalRule(
      'STS rejects the request: check that the lifetime is at most the maximum session duration of the role',
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
 * Decides what to do about an error. A missing response, 429, 5xx and a conflict with another request
 * (409: RFC 9110, section 15.5.10) are retried whatever the code: none of them is about the caller.
 */
export const classifyStsError = (error: CloudRequestError): RetryAction => {
  const { status } = error;
  const isUnavailable = status === undefined || status === 409 || status === 429 || status >= 500;
  return findStsErrorRule(error)?.action ?? (isUnavailable ? 'retry' : 'final');
};

/** Converts an error that is not retried any more. */
export const toStsExchangeError = (error: CloudRequestError, role: string): ExchangeError => {
  const description = findStsErrorRule(error)?.description ?? formatUnknownError(error);
  const detail = error.message === '' ? '' : `; its message: ${error.message}`;
  const message = `${role}: ${description} (${error.code}${detail})`;
  const isAnswer = classifyStsError(error) !== 'retry' && error.code !== 'sts_answer_invalid';
  const code = error.status === undefined ? 'sts_unreachable' : error.code;
  return new ExchangeError(isAnswer ? 'refused' : 'unavailable', code, message, { cause: error });
};

const formatUnknownError = ({ status, code }: CloudRequestError): string => {
  if (status !== undefined) return `STS returned HTTP status ${status}`;
  return /CERT|SIGNATURE|ALTNAME/.test(code)
    ? 'the certificate of the STS endpoint is not trusted: check cloud.caBundle and cloud.stsEndpoint'
    : 'STS is not reachable: check cloud.stsEndpoint, cloud.httpsProxy and network policies';
};
