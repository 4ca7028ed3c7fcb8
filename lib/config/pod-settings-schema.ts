import { HELPER_CONTAINERS } from '../contract/names.ts';
import { EXEMPTIBLE_RULES, type RuleExemption } from '../contract/platform.ts';
import {
  boolean,
  DNS_LABEL,
  dnsLabel,
  refine,
  list,
  object,
  string,
  stringEnum,
  value,
  type Reader,
} from '../schema/reader.ts';
import { audience } from './authority-settings-schema.ts';
import { withDefault } from './defaults.ts';

/** More entries than a person maintains. */
const MAX_ENTRIES = 1000;

const namespace = string({ expected: 'the name of a namespace (a DNS label)', pattern: DNS_LABEL });

/** Groups of all users or of all workloads of a namespace: break glass must be for few people. */
const BROAD_GROUP = /^system:(un)?authenticated$|^system:serviceaccounts(:|$)/;

const group = refine(
  string({ expected: 'the name of a group', pattern: /^[!-~]{1,253}$/ }),
  (name) =>
    BROAD_GROUP.test(name) ? 'a group of few people, not of all users or workloads' : undefined,
);

const rule = value(
  `the ID of a rule that can be exempted, as a string (${EXEMPTIBLE_RULES.map((id) => `'${id}'`).join(', ')})`,
  (given): given is RuleExemption['rule'] => EXEMPTIBLE_RULES.some((id) => id === given),
);

const rejectDuplicates = <T>(reader: Reader<readonly T[]>): Reader<readonly T[]> =>
  refine(reader, (items) => {
    const texts = items.map((item) => JSON.stringify(item));
    return new Set(texts).size < texts.length ? 'each entry only once' : undefined;
  });

const repository = string({
  expected: 'an image without tag and digest, such as quay.io/argoproj/argoexec',
  pattern: /^[\w.-]+(:\d+)?(\/[\w.-]+)+$/,
  maxLength: 512,
});

/**
 * Controllers of Kubernetes and OpenShift copy a template, so their name says nothing about who wrote a
 * container. Without a service account of their own they all are `system:kube-controller-manager`.
 */
const TEMPLATE_COPIERS = /^system:(kube-|node:|serviceaccount:(kube-system|openshift-infra):)/;

const controller = refine(
  string({
    expected: 'the user name of a controller, such as system:serviceaccount:argo:argo',
    pattern: /^[!-~]{1,253}$/,
  }),
  (name) =>
    TEMPLATE_COPIERS.test(name)
      ? 'a controller that writes the container itself, not one of Kubernetes or OpenShift'
      : undefined,
);

/** Reads the `pods` group. */
export const podsGroup = object({
  ignoredContainers: withDefault(list(dnsLabel), HELPER_CONTAINERS),
  allowApiToken: withDefault(boolean, false),
  apiTokenContainers: withDefault(
    rejectDuplicates(
      list(object({ name: dnsLabel, image: repository, createdBy: controller }), {
        max: MAX_ENTRIES,
      }),
    ),
    [],
  ),
  baselineNamespaces: withDefault(rejectDuplicates(list(namespace, { max: MAX_ENTRIES })), []),
  ruleExemptions: withDefault(
    rejectDuplicates(list(object({ namespace, rule }), { max: MAX_ENTRIES })),
    [],
  ),
  breakGlassGroup: { optional: group },
  strictEnvironment: withDefault(boolean, false),
  otherClouds: withDefault(stringEnum(['refuse', 'allow']), 'refuse'),
  foreignKeys: withDefault(stringEnum(['warn', 'refuse']), 'warn'),
  protectedAudiences: withDefault(rejectDuplicates(list(audience, { max: MAX_ENTRIES })), []),
});
