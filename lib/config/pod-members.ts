import { EXCEPTABLE_RULES, type PodException } from '../contract/platform.ts';
import { boolean, checked, list, object, string, value, type Reader } from '../reading/reader.ts';
import { audience } from './authority-members.ts';
import { withDefault } from './defaults.ts';

/** More of a kind is no list that a person keeps. */
const MOST = 1000;

const label = (expected: string) =>
  string({ expected, pattern: /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/ });

const containerName = label('a DNS label');
const namespace = label('the name of a namespace (a DNS label)');

/** Groups of everybody, or of every workload of a namespace: the glass would be an open door. */
const EVERYBODY = /^system:(un)?authenticated$|^system:serviceaccounts(:|$)/;

const group = checked(
  string({ expected: 'the name of a group', pattern: /^[!-~]{1,253}$/ }),
  (name) => (EVERYBODY.test(name) ? 'a group of few people, not one of everybody' : undefined),
);

const rule = value(
  `a rule that has exceptions, as a string (${EXCEPTABLE_RULES.map((id) => `'${id}'`).join(', ')})`,
  (given): given is PodException['rule'] => EXCEPTABLE_RULES.some((id) => id === given),
);

const once = <T>(reader: Reader<readonly T[]>): Reader<readonly T[]> =>
  checked(reader, (items) => {
    const texts = items.map((item) => JSON.stringify(item));
    return new Set(texts).size < texts.length ? 'each only once' : undefined;
  });

/** The `pods` group as it is written. */
export const podsGroup = object({
  ignoredContainers: withDefault(list(containerName), ['istio-proxy', 'linkerd-proxy']),
  allowApiToken: withDefault(boolean, false),
  baselineNamespaces: withDefault(once(list(namespace, { max: MOST })), []),
  exceptions: withDefault(once(list(object({ namespace, rule }), { max: MOST })), []),
  breakGlassGroup: { optional: group },
  protectedAudiences: withDefault(once(list(audience, { max: MOST })), []),
});
