import { toMapping, type Mapping } from '../../../lib/schema/mapping.ts';
import { INSTALLED } from '../../../lib/contract/names.ts';
import { pass, report, type CheckResult } from './check-row.ts';

type KnownMutator = {
  readonly name: string;
  /** Matches the name of a configuration or of one of its webhooks. */
  readonly pattern: RegExp;
  /** The setting of docs/mutators.md. */
  readonly advice: string;
};

/** Mutators of pods that need a setting, by the names that their own installers use. */
const KNOWN: readonly KnownMutator[] = [
  {
    name: 'Istio',
    pattern: /^istio-|\.istio\.io$/,
    advice: 'use the Istio CNI plugin, and exclude port 9472 from inbound redirection',
  },
  {
    name: 'Linkerd',
    pattern: /^linkerd-proxy-injector|\.linkerd\.io$/,
    advice: 'use linkerd-cni, and skip inbound port 9472',
  },
  {
    name: 'Vault Agent injector',
    pattern: /^(vault|openbao)-.*injector|^vault\.hashicorp\.com$/,
    advice: 'give its pods a projected token of audience vault',
  },
  {
    name: 'EKS Pod Identity or IRSA',
    pattern: /^pod-identity-webhook|^iam-for-pods\.amazonaws\.com$/,
    advice: 'use service accounts without a role for pods with tasks',
  },
  {
    name: 'Azure Workload Identity',
    pattern: /^azure-wi-webhook|\.azure-workload-identity\.io$/,
    advice: 'use service accounts without it, or skip the sidecar by its annotation',
  },
  {
    name: 'Kyverno',
    pattern: /^kyverno-.*mutating|\.kyverno\.svc/,
    advice: 'exclude container valetkey-sidecar from policies that write more than defaults',
  },
  {
    name: 'Gatekeeper',
    pattern: /^gatekeeper-mutating|\.gatekeeper\.sh$/,
    advice: 'exclude pods with tasks from mutations that write more than defaults',
  },
  {
    name: 'Consul or Kuma',
    pattern: /^consul-.*connect-injector|^kuma-.*mutating|\.kuma\.io$/,
    advice: 'use their CNI plugins, and exclude port 9472 from redirection',
  },
  {
    name: 'Dapr',
    pattern: /^dapr-sidecar-injector/,
    advice: 'disable its built-in secret store on pods with tasks',
  },
  {
    name: 'Datadog',
    pattern: /^datadog-webhook/,
    advice: 'list the variables that it sets in sidecar.allowedChanges.env',
  },
  {
    name: 'Dynatrace',
    pattern: /^dynatrace-webhook/,
    advice: 'exclude container valetkey-sidecar by its annotation',
  },
];

/** Finds other programs that change pods. An unknown one is listed; the row `admission` shows its effect. */
export const checkMutators = (configurations: readonly Mapping[]): CheckResult => {
  const others = configurations.map(toMutator).filter(({ name, isForPods }) => {
    return isForPods && name !== INSTALLED.configuration;
  });
  const problems = others.flatMap(({ name, names }) => {
    const known = KNOWN.find(({ pattern }) => names.some((each) => pattern.test(each)));
    const title = `MutatingWebhookConfiguration ${name}`;
    return known === undefined ? [] : [`${title}: ${known.name} changes pods: ${known.advice}`];
  });
  if (problems.length > 0) return report('warning', { problems, hint: HINT });
  const unknown = others.map(({ name }) => name).join(', ');
  return pass(unknown === '' ? 'no other mutator of pods' : `no known conflict: ${unknown}`);
};

const HINT =
  'apply the settings that docs/mutators.md lists, and try a pod with kubectl --dry-run=server';

const toList = (value: unknown): readonly Mapping[] =>
  Array.isArray(value) ? value.map(toMapping) : [];

const toMutator = (configuration: Mapping) => {
  const name = String(toMapping(configuration['metadata'])['name']);
  const webhooks = toList(configuration['webhooks']);
  const names = [name, ...webhooks.map((webhook) => String(webhook['name']))];
  const rules = webhooks.flatMap((webhook) => toList(webhook['rules']));
  return { name, names, isForPods: rules.some(isForPods) };
};

const isForPods = ({ resources, operations }: Mapping): boolean =>
  includesAny(resources, ['pods', '*', '*/*', 'pods/*']) &&
  includesAny(operations, ['CREATE', '*']);

const includesAny = (list: unknown, names: readonly string[]): boolean =>
  Array.isArray(list) && list.some((each) => names.includes(String(each)));
