import { patternsOverlap } from './wildcard-patterns.ts';

/** The ARNs of one resource type, as its service documents them. */
export type ArnPattern = {
  /** `arn:${Partition}:s3:::${BucketName}`: for messages. */
  readonly text: string;
  /** The six parts of the ARN, its variables as `*`. */
  readonly parts: readonly string[];
  /** How many `/` its resource part can hold. */
  readonly maxSlashes: number;
};

/** Names that hold no `/`: without them a bucket's ARN would seem to cover its objects. */
const SLASHLESS = new Set(['${BucketName}', '${TableName}']);

/** @param text one ARN with `${variables}` */
export const parseArnPattern = (text: string): ArnPattern => {
  const parts = splitArn(text);
  const resource = parts[5] ?? '';
  const isBounded = (resource.match(VARIABLE) ?? []).every((variable) => SLASHLESS.has(variable));
  return {
    text,
    parts: parts.map((part) => part.replace(VARIABLE, '*')),
    maxSlashes: isBounded && !resource.includes('*') ? countSlashes(resource) : Infinity,
  };
};

const VARIABLE = /\$\{[^}]*\}/g;

/**
 * Whether a declared ARN (`*` and `?` as wildcards) can name a resource of a type. Wildcards do not
 * reach over the first five colons, as in IAM.
 */
export const matchArn = (declared: string): ((pattern: ArnPattern) => boolean) => {
  const parts = splitArn(declared);
  const slashes = countSlashes(parts[5] ?? '');
  return (pattern) =>
    parts.length === pattern.parts.length &&
    slashes <= pattern.maxSlashes &&
    parts.every((part, index) => patternsOverlap(part, pattern.parts[index] ?? ''));
};

/** The resource part may hold colons itself. */
const splitArn = (arn: string): readonly string[] => {
  const parts = arn.split(':');
  return [...parts.slice(0, 5), ...(parts.length > 5 ? [parts.slice(5).join(':')] : [])];
};

const countSlashes = (text: string): number => text.split('/').length - 1;
