import { isSidecarTargetError, checkEphemeralContainers } from './ephemeral-containers.ts';
import { isReservedVariableError, checkForeignCredentials } from './foreign-credentials.ts';
import { checkHardening } from './hardening.ts';
import { checkIsolation } from './isolation.ts';
import { checkMounts } from './mounts.ts';
import { checkOwnNames } from './own-names.ts';
import { checkResizes } from './resizes.ts';
import type { Rule } from './rule.ts';
import { checkSidecarEquality } from './sidecar-equality.ts';
import { checkUpdates } from './updates.ts';
import { checkVolumes } from './volumes.ts';

const listContainerPaths = (...members: readonly string[]): readonly string[] =>
  members.flatMap((member) =>
    ['initContainers', 'containers', 'ephemeralContainers'].map(
      (list) => `/spec/${list}/*/${member}`,
    ),
  );

/** Every rule of docs/admission.md, which is written from this table. */
export const RULES: readonly Rule[] = [
  {
    id: '1',
    requirement:
      'No container, volume, label or annotation bears a name of Valetkey, but for task declarations and what injection itself puts there.',
    rationale:
      'A sidecar, a volume or a label that the pod brings along, or a copy of an injected pod, would pass for what injection puts there.',
    remedy: 'leave the names of Valetkey to injection, and declare tasks by annotations alone',
    paths: [
      ...listContainerPaths('name'),
      '/spec/volumes/*/name',
      '/metadata/labels',
      '/metadata/annotations',
    ],
    exemptionRisk:
      'Selectors by our label, and whoever reads our annotations, may meet what a pod wrote itself; rule 2 still holds the sidecar.',
    by: 'webhook',
    phases: ['CREATE'],
    check: checkOwnNames,
  },
  {
    id: '2',
    requirement:
      'Exactly one sidecar stands before every ordinary init container and every consumer, and everything injected equals an accepted profile.',
    rationale:
      'A sidecar with another image, command, variable, mount, probe or user is no longer the one that guards the exchange token.',
    remedy:
      'create the pod from its own template, without the sidecar; what another mutator may change is listed under sidecar.accept',
    paths: [
      '/spec/initContainers',
      '/spec/volumes',
      '/spec/automountServiceAccountToken',
      '/metadata/labels',
      ...listContainerPaths('env', 'volumeMounts'),
    ],
    by: 'webhook',
    phases: ['CREATE', 'LIVE'],
    check: checkSidecarEquality,
  },
  {
    id: '3',
    requirement:
      "The pod shares no namespace with its node or between its containers, is not for Windows, takes none of the sidecar's ids, sets no sysctl that reaches past the pod, and gives no name of the authority or the cloud another address.",
    rationale:
      "By a shared process namespace /proc/PID/root leads to the exchange token; with the node's network anybody there reaches loopback; an alias sends the token to a stranger.",
    remedy: 'run what needs the node in a pod of its own, without tasks',
    paths: [
      '/spec/hostPID',
      '/spec/hostIPC',
      '/spec/hostNetwork',
      '/spec/shareProcessNamespace',
      '/spec/os',
      '/spec/nodeSelector',
      '/spec/securityContext',
      '/spec/hostAliases',
      '/spec/hostname',
      '/spec/hostnameOverride',
      '/spec/dnsPolicy',
      '/spec/dnsConfig',
      ...listContainerPaths('securityContext/windowsOptions'),
    ],
    exemptionRisk:
      'Whatever runs in the pod, or on its node, may read the exchange token and the credentials of every consumer.',
    by: 'webhook',
    phases: ['CREATE', 'LIVE'],
    appliesToEphemeral: true,
    check: checkIsolation,
  },
  {
    id: '4',
    requirement:
      'Every other container keeps to the level of its namespace: confined, without gain of rights and, at level restricted, neither root nor with capabilities.',
    rationale:
      "A privileged container reads every file and process of its node, a capability such as SYS_PTRACE or NET_RAW those of the pod, and a process with the sidecar's user passes for it.",
    remedy:
      'write the securityContext that the level asks for; a container that must be root needs level baseline, which the platform gives its namespace (pods.baselineNamespaces)',
    paths: [
      ...listContainerPaths('securityContext'),
      '/spec/securityContext',
      '/metadata/annotations',
    ],
    exemptionRisk:
      'A container may be privileged, and with it read the exchange token of every pod of its node.',
    by: 'webhook',
    phases: ['CREATE', 'LIVE'],
    appliesToEphemeral: true,
    check: checkHardening,
  },
  {
    id: '5',
    requirement:
      'No volume opens the node, or holds a token for an audience that is traded for credentials, or for the API server unless the platform allows that.',
    rationale:
      "A hostPath leads to the tokens of every pod of the node; a token of its own for our audience, or a cloud's, is traded past the tasks.",
    remedy: 'take the volume out: the sidecar holds the only token that is traded',
    paths: [
      '/spec/volumes/*/hostPath',
      '/spec/volumes/*/gitRepo',
      '/spec/volumes/*/projected/sources/*/serviceAccountToken',
    ],
    by: 'webhook',
    phases: ['CREATE', 'LIVE'],
    check: checkVolumes,
  },
  {
    id: '6',
    requirement:
      'A consumer mounts its own socket volume as injected; no other container touches a volume or a path of Valetkey.',
    rationale:
      "The mount is the identity: with another's socket volume a container gets its credentials, with the token volume the exchange token, and with a writable one it replaces the socket.",
    remedy: 'leave the volumes of Valetkey, and the paths around theirs, to injection',
    paths: listContainerPaths('volumeMounts', 'volumeDevices', 'env/*/valueFrom/fileKeyRef'),
    by: 'webhook',
    phases: ['CREATE', 'LIVE'],
    appliesToEphemeral: true,
    check: checkMounts,
  },
  {
    id: '7',
    requirement: 'No container brings static cloud keys or a cloud role by another mechanism.',
    rationale:
      'SDKs prefer such keys and roles, which nobody narrows or ends: the agent would hold more than its tasks, for longer.',
    remedy:
      'declare a task for what the pod needs, and take keys and bindings out; for a migration label the Namespace valetkey.dev/mode=warn',
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
      '/metadata/annotations of the ServiceAccount',
    ],
    exemptionRisk:
      'Beside its tasks the pod may use keys and roles that nobody narrows, records or ends.',
    by: 'webhook',
    phases: ['CREATE', 'LIVE'],
    appliesToEphemeral: true,
    isNonExemptible: isReservedVariableError,
    check: checkForeignCredentials,
  },
  {
    id: '8',
    requirement: "Task annotations, our label and the sidecar's image do not change.",
    rationale: 'What was admitted would no longer be what runs, or what people are shown.',
    remedy: "change the workload's template: its pods are created anew",
    paths: ['/metadata/annotations', '/metadata/labels', ...listContainerPaths('image')],
    exemptionRisk:
      "Another image may take the sidecar's place and hold the exchange token: the authority then refuses it, under trust: cluster nobody does.",
    by: 'webhook',
    phases: ['UPDATE'],
    check: checkUpdates,
  },
  {
    id: '9',
    requirement:
      'No ephemeral container is in the pod, and none is added but by the break-glass group, never one that targets the sidecar.',
    rationale:
      "A container that joins later sees the pod's network and, where it targets another, that one's processes and files.",
    remedy: 'debug a copy of the pod without tasks, or ask the break-glass group',
    paths: ['/spec/ephemeralContainers', '/spec/ephemeralContainers/*/targetContainerName'],
    exemptionRisk:
      'Whoever may change pods/ephemeralcontainers joins running pods of the namespace, within rules 3, 4, 6 and 7.',
    by: 'webhook',
    phases: ['CREATE', 'UPDATE', 'LIVE'],
    isNonExemptible: isSidecarTargetError,
    check: checkEphemeralContainers,
  },
  {
    id: '10',
    requirement: "The sidecar's resources do not change.",
    rationale: 'A sidecar without memory or time answers nobody, and a revocation reaches it late.',
    remedy: 'resize the other containers; the platform sets sidecar.resources',
    paths: [...listContainerPaths('resources')],
    exemptionRisk: 'Whoever may resize pods can starve the sidecar of its memory and its time.',
    by: 'webhook',
    phases: ['UPDATE'],
    check: checkResizes,
  },
  {
    id: '11',
    requirement: 'Nobody runs a command in the sidecar, or attaches to it.',
    rationale: "A shell in the sidecar reads the exchange token, and every consumer's credentials.",
    remedy: 'name another container; what the sidecar does is in its log and its metrics',
    paths: ['pods/exec /container', 'pods/attach /container'],
    by: 'ValidatingAdmissionPolicy',
  },
  {
    id: '12',
    requirement:
      'Under trust: authority, a token for our audience is given to kubelets alone, bound to a pod.',
    rationale:
      "Whoever may create serviceaccounts/token would ask for the exchange token of any pod's account.",
    remedy: 'declare a task: the kubelet gets the token for the sidecar',
    paths: ['serviceaccounts/token /spec/audiences', 'serviceaccounts/token /spec/boundObjectRef'],
    by: 'ValidatingAdmissionPolicy',
  },
  {
    id: '13',
    requirement: 'Every refusal names the path, what was found and what is allowed, all at once.',
    rationale: 'Whoever is refused without a reason turns the guard off.',
    remedy: 'report a refusal that does not say how to be rid of it: it is a bug',
    paths: ['every refusal'],
    by: 'every rule',
  },
];

/** The rule of that id, where there is one. */
export const findRule = (id: string | undefined): Rule | undefined =>
  RULES.find((rule) => rule.id === id);
