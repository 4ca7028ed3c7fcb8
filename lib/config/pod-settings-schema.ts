import { EXEMPTIBLE_RULES, type RuleExemption } from '../contract/platform.ts';
import {
  boolean,
  DNS_LABEL,
  dnsLabel,
  refine,
  list,
  object,
  string,
  value,
  type Reader,
} from '../schema/reader.ts';
import { audience } from './authority-settings-schema.ts';
import { withDefault } from './defaults.ts';

/** More of a kind is no list that a person keeps. */
const MAX_ENTRIES = 1000;

const namespace = string({ expected: 'the name of a namespace (a DNS label)', pattern: DNS_LABEL });

/** Groups of everybody, or of every workload of a namespace: the glass would be an open door. */
const BROAD_GROUP = /^system:(un)?authenticated$|^system:serviceaccounts(:|$)/;

const group = refine(
  string({ expected: 'the name of a group', pattern: /^[!-~]{1,253}$/ }),
  (name) => (BROAD_GROUP.test(name) ? 'a group of few people, not one of everybody' : undefined),
);

const rule = value(
  `a rule that has exceptions, as a string (${EXEMPTIBLE_RULES.map((id) => `'${id}'`).join(', ')})`,
  (given): given is RuleExemption['rule'] => EXEMPTIBLE_RULES.some((id) => id === given),
);

const rejectDuplicates = <T>(reader: Reader<readonly T[]>): Reader<readonly T[]> =>
  refine(reader, (items) => {
    const texts = items.map((item) => JSON.stringify(item));
    return new Set(texts).size < texts.length ? 'each only once' : undefined;
  });

/** The `pods` group as it is written. */
export const podsGroup = object({
  ignoredContainers: withDefault(list(dnsLabel), ['istio-proxy', 'linkerd-proxy']),
  allowApiToken: withDefault(boolean, false),
  baselineNamespaces: withDefault(rejectDuplicates(list(namespace, { max: MAX_ENTRIES })), []),
  exceptions: withDefault(
    rejectDuplicates(list(object({ namespace, rule }), { max: MAX_ENTRIES })),
    [],
  ),
  breakGlassGroup: { optional: group },
  protectedAudiences: withDefault(rejectDuplicates(list(audience, { max: MAX_ENTRIES })), []),
});
