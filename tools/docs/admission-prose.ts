/** What a rule's page says besides its row in the table of rules. */
export const RULE_NOTES: Readonly<Record<string, string>> = {
  '2': `A profile is every field that injection sets under one version and one set of settings, known by
its SHA-256 ([upgrading](upgrading.md)). [What other mutators may change](mutators.md).`,
  '3': `The sidecar's user and group are 64871. Names of the authority and the cloud are that of
\`authority.endpoint\`, those of AWS in every partition, and those of \`cloud.stsEndpoint\` and
\`cloud.httpsProxy\`. Sysctls are those that the Pod Security Standards call safe. \`dnsPolicy: None\`, name
servers and search domains of a pod's own are refused only where the sidecar trades its token by http
(\`trust: cluster\`, \`cloud.allowHttp\`): everywhere else TLS holds the other side to its name.`,
  '4': `Two levels, [below](#the-two-levels-of-rule-4). Containers of \`pods.ignoredContainers\` are held to it,
too: a mesh needs its CNI plugin.`,
  '5': `Audiences that are traded: that of \`sidecar.audience\`, those of AWS (\`sts.amazonaws.com\`,
\`pods.eks.amazonaws.com\` and their like in other partitions), those of workload identity on Azure and
Google, and \`pods.protectedAudiences\`. A token for the API server (no audience, or
\`kubernetes.default.svc\`) is refused unless \`pods.allowApiToken\`; where API servers have audiences of
their own, name them in \`pods.protectedAudiences\`. A pod with a container that is known to need the API token,
and would lose it, is refused ([helper containers](mutators.md#keep-helper-containers-apart)).`,
  '7': `By variable: \`AWS_ACCESS_KEY_ID\` and its like, \`AWS_WEB_IDENTITY_TOKEN_FILE\`, \`AWS_ROLE_ARN\`,
\`AWS_SHARED_CREDENTIALS_FILE\`, \`AWS_CONFIG_FILE\`, \`AWS_CONTAINER_*\`, and the credential variables of Azure and Google, also as
a key of a Secret under another name. By form: the id of an AWS key in a value or a command. By place:
\`~/.aws\`, \`~/.config/gcloud\`, \`~/.azure\` in a command or a mount. By name: an \`envFrom\` of a Secret or
ConfigMap called like \`aws-credentials\`, or with a prefix such as \`AWS_\`. By binding: the annotations
\`eks.amazonaws.com/role-arn\`, \`iam.gke.io/gcp-service-account\` and \`azure.workload.identity/client-id\` of
the pod's service account, and \`iam.amazonaws.com/role\` of the pod. EKS Pod Identity has no annotation: its
variables and its volume in the final pod break rules 7 and 5.`,
  '9': `An ephemeral container ends what the pod may start, whoever added it and however harmless it is: the
authority refuses the pod, and it is replaced afterwards.`,
  '11': `\`kubectl exec -c valetkey-sidecar …\` and \`kubectl attach -c valetkey-sidecar …\` are refused, over
WebSocket and SPDY. A request without a container never means an init container.`,
  '12': `\`kubectl create token agent --audience authority.valetkey.dev\` is refused, bound to a pod or not: the
kubelet asks for the sidecar, and nobody else.`,
};

export const INTRODUCTION = `The validating webhook judges the final pod, whoever wrote last. It is asked about pods that declare a
task, bear a name of ours (a container \`valetkey-sidecar\`, a volume \`valetkey-…\`) or, under
\`trust: authority\`, project a token for the authority, before or after the request, and about no others;
pods of the webhook's own namespace are left out. Every breach is listed at once, with the JSON path, what
was expected, what was got and the number of the rule, and each rule closes with what to do instead. The
number is also the label \`reason\` of \`valetkey_webhook_admissions_total\` (\`several\` where there are more)
and stands in the audit annotation \`refused\`.

Under \`trust: authority\` the rules marked \`live\` are held again, by the same code, against the pod as it
is at that moment, each time that a run is to start: a pod that came past the webhook, or that changed
since, gets nothing. Rules 3 to 6 are also [ValidatingAdmissionPolicies](admission-policies.md), so that a
pod is held while the webhook is replaced. On an update, rules 3, 4, 6 and 7 are held against ephemeral
containers that join.`;

export const LEVELS_PROSE = `The platform gives a namespace level \`baseline\` (\`pods.baselineNamespaces\`); every other is held to
\`restricted\`. What is filled is named in a warning; an explicit violation is refused, never mended. Nothing
else is filled: a filled \`runAsNonRoot\` strands pods whose image runs as root.`;

export const EXEMPTIONS_PROSE = `## Exceptions

The platform lists them: \`pods.ruleExemptions\`, a namespace and a rule each. A breach is then a warning to
whoever creates the pod, stands in the audit annotation \`exemptions\` and in the webhook's log, and does not
hinder the authority. Rules 2, 5 and 6 have none: without them the exchange token and the sockets are
anybody's.

## Breaking the glass

Members of \`pods.breakGlassGroup\` (none by default) may add ephemeral containers to pods with tasks, within
rules 3, 4, 6 and 7 (\`kubectl debug --profile=restricted\`), and never one that targets the sidecar. They are
warned; the audit annotation \`break-glass\` and the webhook's log keep their name. The pod gets no further
credentials, and is replaced afterwards.

## Migration

A Namespace with the label \`valetkey.dev/mode=warn\`, which only those can set who may change Namespaces,
turns breaches of rule 7 into warnings (audit annotation \`warned\`), at admission and for runs: pods may keep
their keys while tasks are tried out. SDKs prefer those keys, so that tasks are used once the keys are gone.
It never touches what protects the token: \`AWS_CONTAINER_*\` and \`VALETKEY_SOCKET\` stay injection's alone, and
the token volume of IRSA or of Azure still breaks rule 5. A workload that is bound so moves to a service
account without the annotation.`;

export const NOT_CHECKED_PROSE = `## What is not judged, and why

- **What a Secret or ConfigMap holds.** A webhook that could read Secrets would be worth breaking into. An
  \`envFrom\` with an innocent name, or a mounted file, can bring keys along: they are the pod's own, and no
  way to the exchange token. What injection sets in a consumer wins over \`envFrom\`, since \`env\` does.
- **A Secret that holds a service account's token.** Which one does cannot be seen from a pod. It opens the
  API server to whoever may read the Secret anyway; no cloud takes it, and the authority takes only tokens
  that are bound to a live pod.
- **\`dnsConfig\` and \`dnsPolicy\`**, where TLS is spoken: the roots of the authority stand in the sidecar's
  spec, and STS is known by its certificate. A pod that names other servers harms itself alone.
- **CSI volumes, device plugins and runtime classes.** Their drivers are the platform's, and trusted.
- **Resources of the pod as a whole.** Too little of them starves the pod's own consumers with the sidecar.`;

export const POLICY_PROSE = `## Policy, and the API token

Under \`trust: authority\` a task that TaskPolicies deny, whatever its params, time and user will be, is
refused when its pod is created, with the policy's name (reason \`policy\`); one that hangs on them is a
warning. Without any TaskPolicy, with an invalid one, or while policies cannot be read, every task is
refused.

The API token is not mounted into an injected pod, unless its author wrote
\`automountServiceAccountToken: true\` and the platform allows it (\`pods.allowApiToken\`). Containers of
controllers keep it where the platform lists them (\`pods.apiTokenContainers\`).`;
