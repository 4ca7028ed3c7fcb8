import { isSidecarTargetError, checkEphemeralContainers } from './ephemeral-containers.ts';
import {
  checkAddedBindings,
  checkForeignCredentials,
  isReservedVariableError,
} from './foreign-credentials.ts';
import { checkHardening } from './hardening.ts';
import { checkIsolation } from './isolation.ts';
import { checkMounts } from './mounts.ts';
import { checkOwnNames } from './own-names.ts';
import type { Rule } from './rule.ts';
import { checkSidecarEquality } from './sidecar-equality.ts';
import { checkResizes, checkUpdates } from './updates.ts';
import { checkVolumes } from './volumes.ts';

const listContainerPaths = (...members: readonly string[]): readonly string[] =>
  members.flatMap((member) =>
    ['initContainers', 'containers', 'ephemeralContainers'].map(
      (list) => `/spec/${list}/*/${member}`,
    ),
  );

/** Every rule. docs/admission.md is generated from this table. */
export const RULES: readonly Rule[] = [
  {
    id: '1',
    requirement:
      'No container, volume, label or annotation uses a name that is reserved for Valetkey, except task declarations and what injection adds.',
    rationale:
      'A sidecar, volume or label from the pod template, or a copy of an injected pod, would be mistaken for what injection adds.',
    remedy: 'remove the reserved names; declare tasks with annotations only',
    paths: [
      ...listContainerPaths('name'),
      '/spec/volumes/*/name',
      '/metadata/labels',
      '/metadata/annotations',
    ],
    exemptionRisk:
      'Selectors on the Valetkey label, and tools that read the Valetkey annotations, may match values that the pod set itself. Rule 2 still protects the sidecar.',
    by: 'webhook',
    phases: ['CREATE'],
    check: checkOwnNames,
  },
  {
    id: '2',
    requirement:
      'Exactly one sidecar precedes every ordinary init container and every consumer, and everything injected equals an accepted injection template.',
    rationale:
      'A sidecar with another image, command, variable, mount, probe or user no longer protects the exchange token.',
    remedy:
      'create the pod from its own template, without the sidecar; sidecar.allowedChanges lists what other mutators may change',
    paths: [
      '/spec/initContainers',
      '/spec/volumes',
      '/spec/automountServiceAccountToken',
      '/metadata/labels',
      ...listContainerPaths('env', 'volumeMounts'),
    ],
    by: 'webhook',
    phases: ['CREATE', 'LIVE'],
    appliesToEphemeral: true,
    check: checkSidecarEquality,
  },
  {
    id: '3',
    requirement:
      "The pod shares no namespace with its node or between its containers, does not run on Windows, does not use the sidecar's UID or GID, sets no sysctl that affects more than the pod, and does not redirect a host name of the authority or the cloud.",
    rationale:
      'In a shared process namespace /proc/PID/root leads to the exchange token. On the host network every process of the node reaches the loopback listener. A host alias sends the token to another server.',
    remedy: 'move node-level workloads to a separate pod that declares no tasks',
    paths: [
      '/spec/hostPID',
      '/spec/hostIPC',
      '/spec/hostNetwork',
      '/spec/shareProcessNamespace',
      '/spec/os',
      '/spec/nodeSelector',
      '/spec/affinity/nodeAffinity',
      '/spec/securityContext',
      '/spec/hostAliases',
      '/spec/hostname',
      '/spec/hostnameOverride',
      '/spec/subdomain',
      '/spec/dnsPolicy',
      '/spec/dnsConfig',
      ...listContainerPaths('securityContext/windowsOptions'),
    ],
    exemptionRisk:
      'Every process in the pod, or on its node, may read the exchange token and the credentials of every consumer.',
    by: 'webhook',
    phases: ['CREATE', 'LIVE'],
    appliesToEphemeral: true,
    check: checkIsolation,
  },
  {
    id: '4',
    requirement:
      'Every other container complies with the level of its namespace: confined, without privilege escalation and, at level restricted, neither root nor with capabilities.',
    rationale:
      "A privileged container reads every file and process of its node. A capability such as SYS_PTRACE or NET_RAW gives access to the other processes or the traffic of the pod. A process with the sidecar's UID can act as the sidecar.",
    remedy:
      'set the securityContext that the level requires; where a controller or mutator adds the container, set it there (docs/mutators.md); a container that must run as root needs level baseline, which the platform sets for a namespace (pods.baselineNamespaces)',
    paths: [
      ...listContainerPaths('securityContext'),
      '/spec/securityContext',
      '/metadata/annotations',
    ],
    exemptionRisk:
      'A container may be privileged, and then reads the exchange token of every pod on its node.',
    by: 'webhook',
    phases: ['CREATE', 'LIVE'],
    appliesToEphemeral: true,
    check: checkHardening,
  },
  {
    id: '5',
    requirement:
      "No volume gives access to the node, or holds a token for an audience that is exchanged for credentials. A token or certificate for the API server needs the platform's permission, also as a variable.",
    rationale:
      'A hostPath leads to the tokens of every pod on the node. A token for the audience of Valetkey or of a cloud can be exchanged for credentials without a task.',
    remedy:
      'remove the volume or variable: only the sidecar may hold a token that is exchanged for credentials; the platform allows API tokens with pods.allowApiToken or, for containers of a controller, pods.apiTokenContainers',
    paths: [
      '/spec/volumes/*/hostPath',
      '/spec/volumes/*/gitRepo',
      '/spec/volumes/*/projected/sources/*/serviceAccountToken',
      '/spec/volumes/*/secret/secretName',
      '/spec/volumes/*/projected/sources/*/secret/name',
      '/spec/volumes/*/projected/sources/*/podCertificate/signerName',
      ...listContainerPaths('env/*/valueFrom/secretKeyRef/name', 'envFrom/*/secretRef/name'),
    ],
    by: 'webhook',
    phases: ['CREATE', 'LIVE'],
    appliesToEphemeral: true,
    check: checkVolumes,
  },
  {
    id: '6',
    requirement:
      'A consumer mounts only its own socket volume, as injected. No other container mounts a volume or uses a path that is reserved for Valetkey.',
    rationale:
      "The mount is the identity. With another consumer's socket volume a container gets that consumer's credentials, with the token volume it gets the exchange token, and with a writable volume it can replace the socket.",
    remedy: 'remove the mounts of reserved volumes and of paths that overlap theirs',
    paths: listContainerPaths('volumeMounts', 'volumeDevices', 'env/*/valueFrom/fileKeyRef'),
    by: 'webhook',
    phases: ['CREATE', 'LIVE'],
    appliesToEphemeral: true,
    check: checkMounts,
  },
  {
    id: '7',
    requirement:
      'No container has static cloud keys, or a cloud role by another mechanism. Consumers of tasks with delivery: sign set no endpoint of AWS.',
    rationale:
      'SDKs prefer such keys and roles, and no task limits their scope or lifetime: the agent would have more access than its tasks, for longer. With an endpoint of its own, a consumer of signed tasks sends its requests past the gateway, to a cloud that accepts none of its keys.',
    remedy:
      'declare a task for what the pod needs, and remove keys and role bindings; move endpoints to cloud.endpoints of the platform; to migrate, label the Namespace valetkey.dev/mode=warn',
    paths: [
      ...listContainerPaths(
        'env',
        'envFrom',
        'command',
        'args',
        'lifecycle',
        'volumeMounts/*/mountPath',
      ),
      ...listContainerPaths('startupProbe', 'livenessProbe', 'readinessProbe'),
      '/metadata/annotations',
      '/metadata/labels',
      '/metadata/annotations of the ServiceAccount',
    ],
    exemptionRisk:
      'In addition to its tasks the pod may use keys and roles that are not limited, recorded or revoked.',
    by: 'webhook',
    phases: ['CREATE', 'LIVE'],
    appliesToEphemeral: true,
    isNonExemptible: isReservedVariableError,
    check: checkForeignCredentials,
    checkUpdate: checkAddedBindings,
  },
  {
    id: '8',
    requirement: "Task annotations, the Valetkey label and the sidecar's image do not change.",
    rationale: 'What was admitted would differ from what runs, or from what users see.',
    remedy: "change the workload's template: it creates new pods",
    paths: ['/metadata/annotations', '/metadata/labels', ...listContainerPaths('image')],
    exemptionRisk:
      'Another image may replace the sidecar and hold the exchange token. The authority refuses such a pod; under trust: cluster nothing does.',
    by: 'webhook',
    phases: ['UPDATE'],
    check: checkUpdates,
  },
  {
    id: '9',
    requirement:
      'The pod has no ephemeral containers. Only the break-glass group may add one, and never one that targets the sidecar.',
    rationale:
      "An ephemeral container shares the pod's network and, with a target container, that container's processes and files.",
    remedy:
      'debug a copy of the pod that declares no tasks, or ask a member of the break-glass group',
    paths: ['/spec/ephemeralContainers', '/spec/ephemeralContainers/*/targetContainerName'],
    exemptionRisk:
      'Every user who may update pods/ephemeralcontainers can add containers to running pods of the namespace, within rules 2 to 7.',
    by: 'webhook',
    phases: ['CREATE', 'UPDATE', 'LIVE'],
    isNonExemptible: isSidecarTargetError,
    check: checkEphemeralContainers,
  },
  {
    id: '10',
    requirement: "The sidecar's resources do not change.",
    rationale:
      'A sidecar without enough memory or CPU does not respond, and receives revocations late.',
    remedy:
      'resize the other containers; the platform sets the resources of the sidecar (sidecar.resources)',
    paths: [...listContainerPaths('resources')],
    exemptionRisk: 'Every user who may resize pods can take memory and CPU from the sidecar.',
    by: 'webhook',
    phases: ['UPDATE'],
    check: checkResizes,
  },
  {
    id: '11',
    requirement: 'No one runs a command in the sidecar or attaches to it.',
    rationale:
      'A shell in the sidecar can read the exchange token and the credentials of every consumer.',
    remedy: 'choose another container; the sidecar reports its state in its log and metrics',
    paths: ['pods/exec /container', 'pods/attach /container'],
    by: 'ValidatingAdmissionPolicy',
  },
  {
    id: '12',
    requirement:
      'Under trust: authority, only kubelets may request a token for the audience of the authority, bound to a pod.',
    rationale:
      "Every user who may create serviceaccounts/token could request an exchange token for any pod's service account.",
    remedy: 'declare a task: the kubelet requests the token for the sidecar',
    paths: ['serviceaccounts/token /spec/audiences', 'serviceaccounts/token /spec/boundObjectRef'],
    by: 'ValidatingAdmissionPolicy',
  },
  {
    id: '13',
    requirement:
      'Every refusal lists all violations at once, each with the path, the value found and the value allowed.',
    rationale: 'Users who are refused without a reason disable the check.',
    remedy: 'report a refusal that does not say how to fix the pod: it is a defect',
    paths: ['every refusal'],
    by: 'every rule',
  },
];

/** The rule of that id, where there is one. */
export const findRule = (id: string | undefined): Rule | undefined =>
  RULES.find((rule) => rule.id === id);
