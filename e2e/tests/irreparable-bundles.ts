import { waitFor } from '../../test/kit/retry.ts';
import { CommandError } from '../cluster/command.ts';
import { getJson, runKubectl } from '../cluster/kubectl.ts';
import { cluster, testContext } from './test-context.ts';

type Rule = { readonly resourceNames?: readonly string[]; readonly verbs: readonly string[] };
type Role = { readonly rules: readonly Rule[] };
type Configuration = { readonly webhooks: readonly unknown[] };
type Target = {
  /** The role by which the program may repair its bundle. */
  readonly role: readonly string[];
  readonly account: string;
  /** What holds the bundle. */
  readonly object: readonly string[];
  readonly name: string;
  /** Replaces the bundle. */
  readonly replace: (pem: string) => Promise<unknown>;
};

const home = ['-n', testContext.release.namespace];

const patch = (object: readonly string[], type: 'merge' | 'json', change: unknown) =>
  runKubectl(cluster, ['patch', ...object, '--type', type, '-p', JSON.stringify(change)]);

const CONFIGURATION = ['mutatingwebhookconfiguration', 'valetkey'];
const TRUST_BUNDLE = ['configmap', 'valetkey-authority-trust-bundle', ...home];

const TARGETS: Readonly<Record<'webhook' | 'authority', Target>> = {
  webhook: {
    role: ['clusterrole', 'valetkey-webhook'],
    account: 'valetkey-webhook',
    object: CONFIGURATION,
    name: 'valetkey',
    replace: async (pem) => {
      const { webhooks } = await getJson<Configuration>(cluster, CONFIGURATION);
      const value = Buffer.from(pem).toString('base64');
      const path = (index: number) => `/webhooks/${index}/clientConfig/caBundle`;
      const changes = webhooks.map((_, index) => ({ op: 'replace', path: path(index), value }));
      await patch(CONFIGURATION, 'json', changes);
    },
  },
  authority: {
    role: ['role', 'valetkey-authority', ...home],
    account: 'valetkey-authority',
    object: TRUST_BUNDLE,
    name: 'valetkey-authority-trust-bundle',
    replace: (pem) => patch(TRUST_BUNDLE, 'merge', { data: { 'ca-bundle.pem': pem } }),
  },
};

/** The rules without the right to patch one object. */
const withoutPatch = (rules: readonly Rule[], name: string): readonly Rule[] =>
  rules.flatMap((rule) => {
    const { resourceNames = [], verbs } = rule;
    if (!resourceNames.includes(name)) return [rule];
    const others = resourceNames.filter((each) => each !== name);
    const readable = {
      ...rule,
      resourceNames: [name],
      verbs: verbs.filter((verb) => verb !== 'patch'),
    };
    return others.length === 0 ? [readable] : [{ ...rule, resourceNames: others }, readable];
  });

/** Replaces the bundle of a program that may not repair it. */
export const replaceWithoutRepair = async (program: 'webhook' | 'authority', pem: string) => {
  const { role, account, object, name, replace } = TARGETS[program];
  const { rules } = await getJson<Role>(cluster, [...role]);
  const mayPatch = async (): Promise<boolean> => {
    const user = `system:serviceaccount:${testContext.release.namespace}:${account}`;
    const [kind = '', , ...where] = object;
    try {
      await runKubectl(cluster, [
        'auth',
        'can-i',
        'patch',
        `${kind}/${name}`,
        ...where,
        `--as=${user}`,
      ]);
      return true;
    } catch (error) {
      if (error instanceof CommandError) return false;
      throw error;
    }
  };
  return {
    cause: async () => {
      await patch(role, 'merge', { rules: withoutPatch(rules, name) });
      await waitFor('RBAC to refuse patches by the program', async () => !(await mayPatch()));
      await replace(pem);
    },
    end: () => patch(role, 'merge', { rules }),
  };
};
