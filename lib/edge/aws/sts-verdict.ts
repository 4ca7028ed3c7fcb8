import type { Verdict } from '../../credentials/attempts.ts';
import { ExchangeError } from '../../credentials/exchange.ts';
import type { CloudFault } from './cloud-fault.ts';

type Known = { readonly verdict: Verdict; readonly says: string };

/**
 * STS's error codes, with and without the `Exception` that its documentation adds to some
 * (AssumeRoleWithWebIdentity, API reference), and what each asks of us.
 */
const KNOWN: ReadonlyMap<string, Known> = new Map<string, Known>([
  ['IDPCommunicationError', later('STS could not reach the issuer of the token')],
  ['Throttling', later('STS throttles')],
  ['ThrottlingException', later('STS throttles')],
  ['RequestLimitExceeded', later('STS throttles')],
  ['SlowDown', later('STS throttles')],
  ['ServiceUnavailable', later('STS is unavailable')],
  ['InternalFailure', later('STS failed')],
  ['InternalError', later('STS failed')],
  // Ceph RGW stores a user for each `sub` at its first exchange. Of several at once it refuses all but
  // one, with the code that it has for every EEXIST: shown by asking it (16.2).
  [
    'BucketAlreadyExists',
    later('another exchange of this workload is creating its user in the cloud'),
  ],
  ['ExpiredToken', again('STS holds the token to be expired')],
  [
    'InvalidIdentityToken',
    again(
      'STS does not accept the token: check issuer, audience and keys of the identity provider',
    ),
  ],
  [
    'AccessDenied',
    final(
      "the role's trust policy does not let this workload assume it, or a grant tag the session and set its source identity",
    ),
  ],
  ['MalformedPolicyDocument', final('STS does not understand the session policy')],
  [
    'PackedPolicyTooLarge',
    final(
      'the session policy is too large once packed: declare fewer or shorter resources and actions, or split the task in two',
    ),
  ],
  ['IDPRejectedClaim', final('the identity provider rejected the token')],
  ['RegionDisabled', final('STS is not activated in this region for the account')],
  [
    'ValidationError',
    final(
      'STS refused the request; a lifetime over the maximum session duration of the role is the usual cause',
    ),
  ],
]);

function later(says: string): Known {
  return { verdict: 'retry', says };
}
function again(says: string): Known {
  return { verdict: 'reread', says };
}
function final(says: string): Known {
  return { verdict: 'final', says };
}

const knownOf = ({ code }: CloudFault): Known | undefined =>
  KNOWN.get(code) ?? KNOWN.get(code.replace(/Exception$/, ''));

/**
 * What to do about a fault. No answer, 429, 5xx and a conflict with another request (409: RFC 9110,
 * section 15.5.10) are worth another try whatever their code: none of them is about the caller.
 */
export const verdictOn = (fault: CloudFault): Verdict => {
  const { status } = fault;
  const isLack = status === undefined || status === 409 || status === 429 || status >= 500;
  return knownOf(fault)?.verdict ?? (isLack ? 'retry' : 'final');
};

/** The fault as holding and serving know it: once nothing more is tried. */
export const toExchangeError = (fault: CloudFault, role: string): ExchangeError => {
  const says = knownOf(fault)?.says ?? describeUnknown(fault);
  const detail = fault.message === '' ? '' : `; it says ${fault.message}`;
  const message = `${role}: ${says} (${fault.code}${detail})`;
  const isAnswer = verdictOn(fault) !== 'retry' && fault.code !== 'sts_answer_invalid';
  const code = fault.status === undefined ? 'sts_unreachable' : fault.code;
  return new ExchangeError(isAnswer ? 'refused' : 'unavailable', code, message, { cause: fault });
};

const describeUnknown = ({ status, code }: CloudFault): string => {
  if (status !== undefined) return `STS answered with HTTP ${status}`;
  return /CERT|SIGNATURE|ALTNAME/.test(code)
    ? 'the certificate of the STS endpoint is not trusted: check cloud.caBundle and cloud.stsEndpoint'
    : 'STS could not be reached: check cloud.stsEndpoint, cloud.httpsProxy and network policies';
};
