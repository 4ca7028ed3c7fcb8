import type { Container } from '../contract/pod.ts';

/**
 * A container that a controller or a mutator adds, or writes itself. It is recognized for messages
 * only: a pod author chooses names and images, so no permission depends on this table.
 */
type HelperContainer = {
  readonly addedBy: string;
  readonly matches: (container: Container) => boolean;
  /** What to do where it needs the API token. Absent: it does not need it. */
  readonly withoutApiToken?: string;
  /** The setting that makes it comply with rule 4. */
  readonly hardening?: string;
};

const isNamed =
  (...names: readonly string[]) =>
  ({ name }: Container): boolean =>
    names.includes(name);

const isNamedWithImage =
  (names: readonly string[], image: RegExp) =>
  (container: Container): boolean =>
    names.includes(container.name) && image.test(container.image ?? '');

const usesWord = ({ command, args }: Container, word: string): boolean =>
  [...(command ?? []), ...(args ?? [])].some((each) => each.includes(word));

const OWN_TOKEN =
  'set automountServiceAccountToken: true in the pod, if the platform allows it (pods.allowApiToken)';

const DAPR_HARDENING =
  'the Helm values dapr_sidecar_injector.sidecarRunAsNonRoot and sidecarDropALLCapabilities';

const HELPERS: readonly HelperContainer[] = [
  {
    addedBy: 'Argo Workflows',
    matches: isNamedWithImage(['wait', 'init'], /(^|\/)argoexec(:|@|$)/),
    withoutApiToken:
      'in the Workflow, set automountServiceAccountToken: false and executor.serviceAccountName, so that Argo mounts the token of another account',
    hardening: 'executor.securityContext in the ConfigMap of the workflow controller',
  },
  {
    addedBy: 'Spark',
    matches: isNamed('spark-kubernetes-driver'),
    withoutApiToken: OWN_TOKEN,
  },
  {
    addedBy: 'KubeRay',
    matches: (container) =>
      container.name === 'autoscaler' && usesWord(container, 'kuberay-autoscaler'),
    withoutApiToken: 'set enableInTreeAutoscaling: false in the RayCluster',
    hardening: 'autoscalerOptions.securityContext in the RayCluster',
  },
  {
    addedBy: 'Tekton',
    matches: (container) =>
      isNamed(
        'place-scripts',
        'working-dir-initializer',
        'sidecar-tekton-log-results',
      )(container) ||
      (container.name === 'prepare' &&
        ((container.image ?? '').includes('tekton') || usesWord(container, '/ko-app/entrypoint'))),
    hardening: 'set-security-context: "true" in the ConfigMap feature-flags of Tekton',
  },
  {
    addedBy: 'Vault',
    matches: isNamed('vault-agent', 'vault-agent-init'),
    withoutApiToken:
      'project a token of audience vault, and name its volume in the annotation vault.hashicorp.com/agent-service-account-token-volume-name',
    hardening: 'the annotation vault.hashicorp.com/agent-set-security-context: "true"',
  },
  {
    addedBy: 'Dapr',
    matches: (container) =>
      container.name === 'daprd' && !usesWord(container, 'disable-builtin-k8s-secret-store'),
    withoutApiToken: 'set the annotation dapr.io/disable-builtin-k8s-secret-store: "true"',
    hardening: DAPR_HARDENING,
  },
  {
    addedBy: 'Dapr',
    matches: isNamed('daprd'),
    hardening: DAPR_HARDENING,
  },
  { addedBy: 'Istio', matches: isNamed('istio-init'), hardening: 'the Istio CNI plugin' },
  { addedBy: 'Linkerd', matches: isNamed('linkerd-init'), hardening: 'the Linkerd CNI plugin' },
  { addedBy: 'Kuma', matches: isNamed('kuma-init'), hardening: 'the Kuma CNI plugin' },
  {
    addedBy: 'Consul',
    matches: isNamed('consul-connect-inject-init'),
    hardening: 'the Consul CNI plugin',
  },
  {
    addedBy: 'Airflow',
    matches: isNamed('airflow-xcom-sidecar'),
    hardening: 'security_context of the KubernetesPodOperator, which applies to the whole pod',
  },
  {
    addedBy: 'Actions Runner Controller',
    matches: ({ name, env }) =>
      name === 'runner' &&
      (env ?? []).some((variable) => variable.name === 'ACTIONS_RUNNER_CONTAINER_HOOKS'),
    withoutApiToken: OWN_TOKEN,
  },
  {
    addedBy: 'Actions Runner Controller',
    matches: isNamed('dind', 'init-dind-externals', 'init-dind-rootless'),
    hardening: 'containerMode kubernetes of the runner scale set: Docker in Docker is privileged',
  },
];

const findHelper = (container: Container): HelperContainer | undefined =>
  HELPERS.find(({ matches }) => matches(container));

/** Who adds this container, and what to do where it cannot have the API token. */
export const findApiTokenNeed = (
  container: Container,
): { readonly addedBy: string; readonly remedy: string } | undefined => {
  const helper = findHelper(container);
  if (helper?.withoutApiToken === undefined) return undefined;
  return { addedBy: helper.addedBy, remedy: helper.withoutApiToken };
};

/** Where the security context of a container is set, if its pod's author cannot edit it. */
export const findHardeningHint = (container: Container): string | undefined => {
  const { addedBy, hardening } = findHelper(container) ?? {};
  return addedBy === undefined || hardening === undefined
    ? undefined
    : `${addedBy} adds ${container.name}; its setting: ${hardening}`;
};
