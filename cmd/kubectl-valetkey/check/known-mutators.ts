export type KnownMutator = {
  readonly name: string;
  /** Its rows in the table of docs/mutators.md. */
  readonly rows: readonly string[];
  /** Matches the name of a configuration or of one of its webhooks. */
  readonly pattern: RegExp;
  /** The setting that the page names. */
  readonly advice: string;
};

/** Mutators of pods that need a setting, by the names that their own installers use. */
export const KNOWN_MUTATORS: readonly KnownMutator[] = [
  {
    name: 'Istio',
    rows: ['Istio'],
    pattern: /^istio-|\.istio\.io$/,
    advice: 'use the Istio CNI plugin, and exclude port 9472 from inbound redirection',
  },
  {
    name: 'Linkerd',
    rows: ['Linkerd'],
    pattern: /^linkerd-proxy-injector|\.linkerd\.io$/,
    advice: 'use linkerd-cni, and skip inbound port 9472',
  },
  {
    name: 'Vault Agent injector',
    rows: ['Vault Agent injector'],
    pattern: /^(vault|openbao)-.*injector|^vault\.hashicorp\.com$/,
    advice: 'give its pods a projected token of audience vault',
  },
  {
    name: 'EKS Pod Identity or IRSA',
    rows: ['EKS Pod Identity', 'IRSA'],
    pattern: /^pod-identity-webhook|^iam-for-pods\.amazonaws\.com$/,
    advice: 'use service accounts without a role for pods with tasks',
  },
  {
    name: 'Azure Workload Identity',
    rows: ['Azure Workload Identity'],
    pattern: /^azure-wi-webhook|\.azure-workload-identity\.io$/,
    advice: 'use service accounts without it, or skip the sidecar by its annotation',
  },
  {
    name: 'Kyverno',
    rows: ['Kyverno'],
    pattern: /^kyverno-.*mutating|\.kyverno\.svc/,
    advice: 'exclude container valetkey-sidecar from policies that write more than defaults',
  },
  {
    name: 'Gatekeeper',
    rows: ['Gatekeeper'],
    pattern: /^gatekeeper-mutating|\.gatekeeper\.sh$/,
    advice: 'exclude pods with tasks from mutations that write more than defaults',
  },
  {
    name: 'Consul or Kuma',
    rows: ['Consul', 'Kuma'],
    pattern: /^consul-.*connect-injector|^kuma-.*mutating|\.kuma\.io$/,
    advice: 'use their CNI plugins, and exclude port 9472 from redirection',
  },
  {
    name: 'Dapr',
    rows: ['Dapr'],
    pattern: /^dapr-sidecar-injector/,
    advice: 'disable its built-in secret store on pods with tasks',
  },
  {
    name: 'Datadog',
    rows: ['Datadog admission controller'],
    pattern: /^datadog-webhook/,
    advice: 'list the variables that it sets in sidecar.allowedChanges.env',
  },
  {
    name: 'Dynatrace',
    rows: ['Dynatrace operator'],
    pattern: /^dynatrace-webhook/,
    advice: 'exclude container valetkey-sidecar by its annotation',
  },
];
