import { FOREIGN_SERVICES } from '../../lib/injection/rules/foreign-services.ts';
import { renderMarkdownTable } from './markdown-table.ts';

const code = (texts: readonly string[]): string => texts.map((text) => `\`${text}\``).join(', ');

/** How the keys of each service are recognized. */
const buildServiceTable = (): string =>
  renderMarkdownTable(
    ['service', 'variables', 'keys start with', 'replaced by a task of provider', 'documented at'],
    FOREIGN_SERVICES.map(({ title, variables, starts = [], provider, client, sources }) => [
      title,
      code(variables),
      code(starts),
      `\`${provider}\`${client === undefined ? '' : `, client \`${client}\``}`,
      sources.map((source) => `<${source}>`).join(', '),
    ]),
  );

/** What a rule's section contains in addition to its row in the table of rules. */
export const RULE_NOTES: Readonly<Record<string, string>> = {
  '2': `An injection template contains every field that injection sets, for one version and one set of
settings. Its ID is its SHA-256 ([upgrading](upgrading.md)). [What other mutators may change](mutators.md).`,
  '3': `Labels of Windows nodes are \`kubernetes.io/os\`, its deprecated name
\`beta.kubernetes.io/os\` and \`node.kubernetes.io/windows-build\`. The sidecar's user and group are 64871. Names of the authority and the cloud are the host of
\`authority.endpoint\`, those of AWS in every partition, and the hosts of \`cloud.stsEndpoint\` and
\`cloud.httpsProxy\`. Allowed sysctls are those that the Pod Security Standards call safe. \`dnsPolicy: None\`,
name servers and search domains in a pod are denied only if the sidecar exchanges its token over HTTP
(\`trust: cluster\`, \`cloud.allowHttp\`). In all other cases TLS verifies the server's name.`,
  '4': `There are two levels, [below](#the-two-levels-of-rule-4). The rule also applies to containers in
\`pods.ignoredContainers\`: a mesh needs its CNI plugin.`,
  '5': `Protected audiences are \`sidecar.audience\`, those of AWS (\`sts.amazonaws.com\`,
\`pods.eks.amazonaws.com\` and their equivalents in other partitions), those of workload identity on Azure and
Google unless \`pods.otherClouds\` is \`allow\`, and \`pods.protectedAudiences\`. A token for the API server (no audience, or
\`kubernetes.default.svc\`) is denied unless \`pods.allowApiToken\` is set. If your API servers have other
audiences, list them in \`pods.protectedAudiences\`. A Secret with the name of a token that Kubernetes created
for a service account until 1.24 (\`agent-token-x7wbn\`) is denied, too, and so is a certificate of the signer
\`kubernetes.io/kube-apiserver-client-pod\`. So is a pod with a container that is
known to need the API token, and would lose it ([helper containers](mutators.md#keep-helper-containers-apart)).`,
  '7': `Credentials are recognized in five ways. By variable: \`AWS_ACCESS_KEY_ID\` and similar,
\`AWS_WEB_IDENTITY_TOKEN_FILE\`, \`AWS_ROLE_ARN\`, \`AWS_SHARED_CREDENTIALS_FILE\`, \`AWS_CONFIG_FILE\`,
\`AWS_CONTAINER_*\`, and the credential variables of Azure and Google, also as a key of a Secret under another
name. By form: the ID of an AWS key in a value or a command. By place: \`~/.aws\`, \`~/.config/gcloud\`,
\`~/.azure\` in a command or a mount. By name: an \`envFrom\` of a Secret or ConfigMap with a name such as
\`aws-credentials\` (but not \`s3-key-prefixes\`), or with a prefix such as \`AWS_\`. By binding: the annotations
\`eks.amazonaws.com/role-arn\`, \`iam.gke.io/gcp-service-account\` and \`azure.workload.identity/client-id\` of
the pod's service account, \`iam.amazonaws.com/role\` of the pod, and its label \`aadpodidbinding\`, which an update may not add either.
\`AWS_CONFIG_FILE\` may name a file of a ConfigMap, which holds settings. EKS Pod Identity has no annotation: its
variables and its volume in the final pod violate rules 7 and 5.

Endpoints are recognized in consumers of tasks with \`delivery: sign\`: another \`AWS_ENDPOINT_URL\` than the one
that injection sets, \`AWS_ENDPOINT_URL_S3\` and those of other services, \`AWS_IGNORE_CONFIGURED_ENDPOINT_URLS\`,
\`AWS_USE_DUALSTACK_ENDPOINT\` and \`AWS_USE_FIPS_ENDPOINT\`, as variables and as assignments in commands. Empty and
false values are none.

An agent may need a model of another cloud, for which tasks have no credentials. With
\`pods.otherClouds: allow\` what rules 5 and 7 find of Azure and Google is a warning that names it (\`allowed by
pods.otherClouds\`), in every namespace, and the authority permits it. Valetkey does not limit, record or revoke
these credentials. What they find of AWS is denied as before, also in the same command or import.

Keys of services that are no clouds are recognized by their variable, also as a key of a Secret under another name or as
an assignment in a command; by their form in a value or a command; and by the name or the prefix of a Secret in
\`envFrom\`, such as \`openai-api-key\`. A \`DATABASE_URL\` counts if it holds a password or comes from a Secret. What a
shell reads when it starts, as in \`OPENAI_API_KEY="$(cat /var/run/valetkey/token)"\`, is none, nor is the pod's UID
(\`fieldRef: metadata.uid\`), which injection sets. \`pods.foreignKeys\` decides:
\`warn\`, the default, admits the pod with a warning (\`refused with pods.foreignKeys: refuse\`), and \`refuse\` denies it,
at admission and for each run. In a container with a task whose \`client\` is in the table, a key of this row is
denied with both. The webhook and the authority decide; no admission policy covers rule 7 for variables.
[Migrate from static keys](static-keys.md) shows the way.

${buildServiceTable()}`,
  '9': `After an ephemeral container was added, the pod can start no more runs, no matter who added it: the authority
refuses the pod. Replace the pod afterwards.`,
  '11': `\`kubectl exec -c valetkey-sidecar …\` and \`kubectl attach -c valetkey-sidecar …\` are denied, over
WebSocket and SPDY. A request without a container name never selects an init container.`,
  '12': `\`kubectl create token agent --audience authority.valetkey.dev\` is denied, bound to a pod or not: only
the kubelet requests this token, for the sidecar.`,
};

export const INTRODUCTION = `The validating webhook evaluates the final pod, after all mutations. It is called for pods that declare a
task, use a reserved name (a container \`valetkey-sidecar\`, a volume \`valetkey-…\`) or, under
\`trust: authority\`, project a token for the authority, before or after the request. It is not called for
other pods, nor in the webhook's own namespace. A denial lists every violation with the JSON path, the
expected value, the actual value and the number of the rule, and states how to fix each rule. The number is
also the label \`reason\` of \`valetkey_webhook_admissions_total\` (\`several\` for more than one) and part of the
audit annotation \`refused\`.

Under \`trust: authority\` the same code evaluates the rules marked \`live\` again for each run, on the pod as it
is at that moment. A pod that bypassed the webhook, or that was changed since, gets no credentials. Rules 3 to
6 are also [ValidatingAdmissionPolicies](admission-policies.md), which apply while the webhook is replaced. On
an update, rules 2 to 7 are evaluated for added ephemeral containers.`;

export const LEVELS_PROSE = `The platform can give a namespace level \`baseline\` (\`pods.baselineNamespaces\`). All other namespaces have
level \`restricted\`. A filled field is named in a warning; an explicit violation is denied, never corrected.
Nothing else is filled: with a filled \`runAsNonRoot\`, pods whose image runs as root would not start.`;

export const EXEMPTIONS_PROSE = `## Exceptions

The platform lists exceptions in \`pods.ruleExemptions\`, each a namespace and a rule. A violation is then a
warning to the user who creates the pod. It is recorded in the audit annotation \`exemptions\` and in the
webhook's log, and the authority permits it. Rules 2, 5 and 6 have no exceptions: without them any container
could read the exchange token and the sockets.

## Break-glass access

Members of \`pods.breakGlassGroup\` (default: no group) may add ephemeral containers to pods with tasks, within
rules 2 to 7 (\`kubectl debug --profile=restricted\`), and never one that targets the sidecar. They get a
warning; their name is recorded in the audit annotation \`break-glass\` and in the webhook's log. The pod gets
no further credentials. Replace it afterwards.

## Migration

The label \`valetkey.dev/mode=warn\` on a Namespace, which requires permission to change Namespaces, turns
violations of rule 7 into warnings (audit annotation \`warned\`), at admission and for runs. Pods can then keep
their keys while you test tasks. SDKs prefer those keys, so tasks are used only after the keys are removed.
The label never affects what protects the token: only injection sets \`AWS_CONTAINER_*\` and
\`VALETKEY_SOCKET\`, and the token volume of IRSA or Azure still violates rule 5. Move a workload with such a
binding to a service account without the annotation.`;

export const NOT_CHECKED_PROSE = `## What is not checked, and why

- **The content of a Secret or ConfigMap.** A webhook that could read Secrets would be a valuable target. An
  \`envFrom\` with an innocent name, or a mounted file, can contain keys: they belong to the pod and do not
  lead to the exchange token. What injection sets in a consumer overrides \`envFrom\`, because \`env\` does.
- **A Secret with the token of a service account.** A pod does not show which Secret has one. The token gives
  access to the API server to a user who may read the Secret in any case. No cloud accepts it, and the
  authority accepts only tokens that are bound to a running pod.
- **\`dnsConfig\` and \`dnsPolicy\`**, if TLS is used: the authority's trust bundle is in the sidecar's spec, and
  STS is verified by its certificate. A pod that uses other name servers harms only itself.
- **CSI volumes, device plugins and runtime classes.** Their drivers belong to the platform and are trusted.
- **Resources of the whole pod.** If they are too small, the pod's own consumers fail together with the
  sidecar.`;

export const POLICY_PROSE = `## Policy, and the API token

Under \`trust: authority\` a task that TaskPolicies deny for all params, times and users is denied when its pod
is created. The message names the policy (reason \`policy\`). If the decision depends on them, the response has
a warning. Without any TaskPolicy, with an invalid one, or while policies cannot be read, every task is
denied.

A Deployment, StatefulSet, DaemonSet, Job, CronJob, ReplicationController or PodTemplate is never refused. If
its pods would be, \`kubectl apply\` shows the reasons as warnings, from a webhook that fails open. The same
webhook warns about an annotation that misses the prefix, such as \`tasks.valetkey.dev/summarize\`: it declares
no task.

The API token is not mounted into an injected pod, unless its author wrote
\`automountServiceAccountToken: true\` and the platform allows it (\`pods.allowApiToken\`). Containers of
controllers keep it where the platform lists them (\`pods.apiTokenContainers\`).`;
