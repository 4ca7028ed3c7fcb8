import { ExchangeError } from '../contract/exchange.ts';

/**
 * Names of the session tags: short, because tags and session policy share one packed limit, and
 * without a slash, because policies write `aws:PrincipalTag/<name>`.
 */
export const TAGS = {
  namespace: 'valetkey-namespace',
  serviceAccount: 'valetkey-service-account',
  task: 'valetkey-task',
  run: 'valetkey-run',
} as const;

/** Prefix of the tag of each param in `tagParams`. */
const PARAM_TAG_PREFIX = 'valetkey-param-';

/** STS, Tag: allowed characters and length of a value. */
const VALUE = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;
export const MAX_TAG_VALUE_LENGTH = 256;

/** Claim `https://aws.amazon.com/tags`. Every tag is transitive: roles assumed from the session keep it. */
export type TagsClaim = {
  readonly principal_tags: Readonly<Record<string, readonly [string]>>;
  readonly transitive_tag_keys: readonly string[];
};

export type TaggedRun = Readonly<Record<keyof typeof TAGS, string>> & {
  readonly params: Readonly<Record<string, string>>;
};

/**
 * Builds the session tags: workload, task, run, and the params that `tagParams` names.
 *
 * @throws ExchangeError `refused`, `param_untaggable`: a value with invalid characters is never
 *   changed, because trust policies may depend on it
 */
export const buildSessionTags = (run: TaggedRun, tagParams: readonly string[]): TagsClaim => {
  const names = Object.keys(TAGS) as (keyof typeof TAGS)[];
  const chosen = tagParams.filter((name) => Object.hasOwn(run.params, name));
  const tags = Object.fromEntries<readonly [string]>([
    ...names.map((name) => [TAGS[name], [run[name]]] as const),
    ...chosen.map((name) => [`${PARAM_TAG_PREFIX}${name}`, [readTagValue(run, name)]] as const),
  ]);
  return { principal_tags: tags, transitive_tag_keys: Object.keys(tags) };
};

const readTagValue = ({ params }: TaggedRun, name: string): string => {
  const value = params[name] ?? '';
  if (VALUE.test(value) && value.length <= MAX_TAG_VALUE_LENGTH) return value;
  const expected = 'letters, digits, spaces and _ . : / = + - @';
  throw new ExchangeError(
    'refused',
    'param_untaggable',
    `params.${name}: expected at most ${MAX_TAG_VALUE_LENGTH} ${expected}, because the platform makes it a session tag`,
  );
};
