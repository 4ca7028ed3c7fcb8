import { parseArn, type Arn } from '../schema/arn.ts';
import { InputError } from './input-error.ts';

/** Where the resources of a call are that it names without saying where. */
export type ResourceScope = {
  /** Of the ARNs that tasks of this cloud name: `aws`, `aws-cn`. */
  readonly partition: string;
  /** Of the request's signature. */
  readonly region: string;
  /** Of the role, 12 digits; empty where a private cloud has no accounts. */
  readonly account: string;
};

/**
 * Of a name: printable ASCII, so that no reader normalizes it, without wildcards, colons, and what a
 * reader of URLs may decode or cut off; no white space at its ends.
 */
const NAME = /^(?! )[^\0-\x1f\x7f-\uffff*?:;%\\]+(?<! )$/;
/** Of a path with a slash at its end. */
const EMPTY_OR_DOT_SEGMENT = /(?:^|\/)\.{0,2}\//;
/** Without wildcards; segments that a reader may resolve are refused here too. */
const ARN_TEXT = /^(?!.*\/(?:\.{0,2}\/|\.{1,2}$))[^\0-\x20\x7f-\uffff*?%\\]+$/;

/** Whether a text claims to be an ARN. */
export const isArn = (text: string): boolean => /^arn:/i.test(text);

/** @returns an ARN in the account and the region of a call */
export const formatArn = (
  { partition, region, account }: ResourceScope,
  service: string,
  resource: string,
): string => `arn:${partition}:${service}:${region}:${account}:${resource}`;

/**
 * Reads an ARN that a request names. It is the resource itself, in whichever account; of another partition
 * or region than the call it is refused, because a service could ignore either.
 *
 * @param place of the member, for the refusal
 */
export const readArn = (text: string, place: string, scope: ResourceScope): Arn => {
  const arn = ARN_TEXT.test(text) ? parseArn(text) : undefined;
  if (arn === undefined || !/^(?:\d{12}|aws)?$/.test(arn.account)) {
    throw new InputError(`expected an ARN in ${place}`);
  }
  if (arn.partition !== scope.partition || !['', scope.region].includes(arn.region)) {
    throw new InputError(`expected an ARN of the call's partition and region in ${place}`);
  }
  return arn;
};

/** What an ARN must be. */
export type ExpectedArn = {
  readonly scope: ResourceScope;
  readonly service: string;
  readonly resource: RegExp;
  /** Of AWS's own resources, which have no account. */
  readonly isPublic?: boolean;
};

/** Reads an ARN of a regional service whose resources have a form. @returns its text */
export const readArnLike = (text: string, place: string, expected: ExpectedArn): string => {
  const { service, resource, region, account } = readArn(text, place, expected.scope);
  const isExpected =
    service === expected.service &&
    region === expected.scope.region &&
    (account !== '' || expected.isPublic === true) &&
    expected.resource.test(resource);
  if (!isExpected) throw new InputError(`expected an ARN of another kind of resource in ${place}`);
  return text;
};

/**
 * Checks a name that becomes part of an ARN.
 *
 * @param form of the names of this kind, if the service documents it
 */
export const checkName = (text: string, place: string, form = NAME): string => {
  const isPlain = NAME.test(text) && !EMPTY_OR_DOT_SEGMENT.test(`${text}/`) && form.test(text);
  if (!isPlain) throw new InputError(`expected a name in ${place}`);
  return text;
};

/** A member without which the service would refuse the request, or take a resource of its own choice. */
export const requireText = (text: string | undefined, place: string): string => {
  if (text === undefined || text === '') throw new InputError(`expected ${place}`);
  return text;
};
