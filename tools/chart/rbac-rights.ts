import {
  getValue,
  getList,
  formatTitle,
  type KubernetesObject,
} from '../../test/kit/kubernetes-objects.ts';

/** `group/resource` or `group/resource/name` → verbs. */
type RbacRights = Readonly<Record<string, readonly string[]>>;

const WATCH = ['get', 'list', 'watch'];

/** The maximum rights of each program, by the name of its role. */
const ALLOWED_RIGHTS: Readonly<Record<string, RbacRights>> = {
  'valetkey-webhook': {
    '/configmaps/valetkey-injection-templates': [...WATCH, 'patch'],
    '/configmaps/valetkey-authority-trust-bundle': WATCH,
    '/secrets/valetkey-webhook-ca': ['get', 'patch'],
    'admissionregistration.k8s.io/mutatingwebhookconfigurations/valetkey': ['get', 'patch'],
    'admissionregistration.k8s.io/validatingwebhookconfigurations/valetkey': ['get', 'patch'],
    '/pods': ['list'],
    '/serviceaccounts': ['get'],
    '/namespaces': ['get'],
    'valetkey.dev/taskpolicies': WATCH,
    'valetkey.dev/upstreams': WATCH,
  },
  'valetkey-authority': {
    '/configmaps/valetkey-injection-templates': WATCH,
    '/configmaps/valetkey-authority-trust-bundle': [...WATCH, 'patch'],
    '/configmaps/valetkey-audit-heads': [...WATCH, 'patch'],
    '/secrets/valetkey-authority-ca': ['get', 'patch'],
    '/secrets/valetkey-authority-keys': ['get', 'patch'],
    '/secrets/valetkey-authority-audit': ['get', 'patch'],
    'coordination.k8s.io/leases': ['get', 'list', 'create', 'update', 'patch', 'delete'],
    '/pods': ['get', 'list'],
    '/serviceaccounts': ['get'],
    '/namespaces': ['get'],
    'authentication.k8s.io/tokenreviews': ['create'],
    '/events': ['create'],
    'valetkey.dev/taskpolicies': WATCH,
    'valetkey.dev/upstreams': WATCH,
    'valetkey.dev/taskpolicies/status': ['patch'],
    'valetkey.dev/upstreams/status': ['patch'],
    'valetkey.dev/revocations': [...WATCH, 'create', 'delete'],
    'valetkey.dev/approvalrequests': ['get', 'list', 'create', 'delete'],
    'valetkey.dev/approvalrequests/status': ['patch'],
    'valetkey.dev/approvals': ['get', 'list'],
    'valetkey.dev/taskproposals': ['get', 'list', 'create', 'delete'],
  },
  // People: no delete, because a denial must not be deleted by those who disagree.
  'valetkey-approver': {
    'valetkey.dev/approvalrequests': WATCH,
    'valetkey.dev/approvals': [...WATCH, 'create'],
    'valetkey.dev/taskproposals': WATCH,
  },
  // In the namespace of upstream secrets, which holds nothing else.
  'valetkey-authority-upstreams': { '/secrets': ['get'] },
  'valetkey-nonroot': {
    'security.openshift.io/securitycontextconstraints/valetkey-nonroot': ['use'],
  },
};

/** Resources that only a Role may grant: in a ClusterRole they would apply to every namespace. */
const OWN_NAMESPACE_ONLY = ['configmaps', 'secrets', 'leases'];

/** One error for each right that is not in the allow-list, including wildcards and URLs. */
export const findRightFaults = (objects: readonly KubernetesObject[]): readonly string[] =>
  objects
    .filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole')
    .flatMap((role) => getList(role, 'rules').flatMap((rule) => findRuleFaults(role, rule)));

const findRuleFaults = (role: KubernetesObject, rule: unknown): readonly string[] => {
  if (getList(rule, 'nonResourceURLs').length > 0) return [`${formatTitle(role)}: a right on URLs`];
  const names =
    getValue(rule, 'resourceNames') === undefined ? [''] : getList(rule, 'resourceNames');
  return combineLists([getList(rule, 'apiGroups'), getList(rule, 'resources'), names]).flatMap(
    ([group = '', resource = '', name = '']) => {
      const key = [group, resource, ...(name === '' ? [] : [name])].join('/');
      const isTooWide = role.kind === 'ClusterRole' && OWN_NAMESPACE_ONLY.includes(resource);
      const allowed = isTooWide ? [] : (ALLOWED_RIGHTS[role.metadata.name]?.[key] ?? []);
      return getList(rule, 'verbs')
        .filter((verb) => !allowed.includes(verb as string))
        .map((verb) => `${formatTitle(role)}: ${String(verb)} ${key}: is not allowed`);
    },
  );
};

/** The Cartesian product of the lists. */
const combineLists = (lists: readonly (readonly unknown[])[]): readonly (readonly string[])[] =>
  lists.reduce<string[][]>(
    (ways, list) => ways.flatMap((way) => list.map((element) => [...way, String(element)])),
    [[]],
  );
