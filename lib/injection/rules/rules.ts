import type { Pod } from '../../contract/pod.ts';
import type { Fault } from '../../reading/fault.ts';
import { isOfTarget, joiningContainers, judgeEphemeralContainers } from './ephemeral-containers.ts';
import { isOfOurVariables, judgeForeignCredentials } from './foreign-credentials.ts';
import { judgeHardening } from './hardening.ts';
import { judgeIsolation } from './isolation.ts';
import { judgeMounts } from './mounts.ts';
import { judgeOwnNames } from './own-names.ts';
import { judgeResizes } from './resizes.ts';
import type { JudgeContext, JudgedRule, Rule } from './rule.ts';
import { judgeSidecarEquality } from './sidecar-equality.ts';
import { judgeUpdates } from './updates.ts';
import { judgeVolumes } from './volumes.ts';

const everywhere = (...members: readonly string[]): readonly string[] =>
  members.flatMap((member) =>
    ['initContainers', 'containers', 'ephemeralContainers'].map(
      (list) => `/spec/${list}/*/${member}`,
    ),
  );

/** Every rule of docs/admission.md, which is written from this table. */
export const RULES: readonly Rule[] = [
  {
    id: '1',
    holds:
      'No container, volume, label or annotation bears a name of Valetkey, but for task declarations and what injection itself puts there.',
    why: 'A sidecar, a volume or a label that the pod brings along, or a copy of an injected pod, would pass for what injection puts there.',
    message: 'leave the names of Valetkey to injection, and declare tasks by annotations alone',
    looksAt: [
      ...everywhere('name'),
      '/spec/volumes/*/name',
      '/metadata/labels',
      '/metadata/annotations',
    ],
    exceptionCosts:
      'Selectors by our label, and whoever reads our annotations, may meet what a pod wrote itself; rule 2 still holds the sidecar.',
    by: 'webhook',
    on: ['CREATE'],
    judge: judgeOwnNames,
  },
  {
    id: '2',
    holds:
      'Exactly one sidecar stands before every ordinary init container and every consumer, and everything injected equals an accepted profile.',
    why: 'A sidecar with another image, command, variable, mount, probe or user is no longer the one that guards the exchange token.',
    message:
      'create the pod from its own template, without the sidecar; what another mutator may change is listed under sidecar.accept',
    looksAt: [
      '/spec/initContainers',
      '/spec/volumes',
      '/spec/automountServiceAccountToken',
      '/metadata/labels',
      ...everywhere('env', 'volumeMounts'),
    ],
    by: 'webhook',
    on: ['CREATE', 'LIVE'],
    judge: judgeSidecarEquality,
  },
  {
    id: '3',
    holds:
      "The pod shares no namespace with its node or between its containers, is not for Windows, takes none of the sidecar's ids, sets no sysctl that reaches past the pod, and gives no name of the authority or the cloud another address.",
    why: "By a shared process namespace /proc/PID/root leads to the exchange token; with the node's network anybody there reaches loopback; an alias sends the token to a stranger.",
    message: 'run what needs the node in a pod of its own, without tasks',
    looksAt: [
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
      ...everywhere('securityContext/windowsOptions'),
    ],
    exceptionCosts:
      'Whatever runs in the pod, or on its node, may read the exchange token and the credentials of every consumer.',
    by: 'webhook',
    on: ['CREATE', 'LIVE'],
    isOfJoining: true,
    judge: judgeIsolation,
  },
  {
    id: '4',
    holds:
      'Every other container keeps to the level of its namespace: confined, without gain of rights and, at level restricted, neither root nor with capabilities.',
    why: "A privileged container reads every file and process of its node, a capability such as SYS_PTRACE or NET_RAW those of the pod, and a process with the sidecar's user passes for it.",
    message:
      'write the securityContext that the level asks for; a container that must be root needs level baseline, which the platform gives its namespace (pods.baselineNamespaces)',
    looksAt: [...everywhere('securityContext'), '/spec/securityContext', '/metadata/annotations'],
    exceptionCosts:
      'A container may be privileged, and with it read the exchange token of every pod of its node.',
    by: 'webhook',
    on: ['CREATE', 'LIVE'],
    isOfJoining: true,
    judge: judgeHardening,
  },
  {
    id: '5',
    holds:
      'No volume opens the node, or holds a token for an audience that is traded for credentials, or for the API server unless the platform allows that.',
    why: "A hostPath leads to the tokens of every pod of the node; a token of its own for our audience, or a cloud's, is traded past the tasks.",
    message: 'take the volume out: the sidecar holds the only token that is traded',
    looksAt: [
      '/spec/volumes/*/hostPath',
      '/spec/volumes/*/gitRepo',
      '/spec/volumes/*/projected/sources/*/serviceAccountToken',
    ],
    by: 'webhook',
    on: ['CREATE', 'LIVE'],
    judge: judgeVolumes,
  },
  {
    id: '6',
    holds:
      'A consumer mounts its own socket volume as injected; no other container touches a volume or a path of Valetkey.',
    why: "The mount is the identity: with another's socket volume a container gets its credentials, with the token volume the exchange token, and with a writable one it replaces the socket.",
    message: 'leave the volumes of Valetkey, and the paths around theirs, to injection',
    looksAt: everywhere('volumeMounts', 'volumeDevices', 'env/*/valueFrom/fileKeyRef'),
    by: 'webhook',
    on: ['CREATE', 'LIVE'],
    isOfJoining: true,
    judge: judgeMounts,
  },
  {
    id: '7',
    holds: 'No container brings static cloud keys or a cloud role by another mechanism.',
    why: 'SDKs prefer such keys and roles, which nobody narrows or ends: the agent would hold more than its tasks, for longer.',
    message:
      'declare a task for what the pod needs, and take keys and bindings out; for a migration label the Namespace valetkey.dev/mode=warn',
    looksAt: [
      ...everywhere('env', 'envFrom', 'command', 'args', 'lifecycle', 'volumeMounts/*/mountPath'),
      ...everywhere('startupProbe', 'livenessProbe', 'readinessProbe'),
      '/metadata/annotations',
      '/metadata/annotations of the ServiceAccount',
    ],
    exceptionCosts:
      'Beside its tasks the pod may use keys and roles that nobody narrows, records or ends.',
    by: 'webhook',
    on: ['CREATE', 'LIVE'],
    isOfJoining: true,
    isFirm: isOfOurVariables,
    judge: judgeForeignCredentials,
  },
  {
    id: '8',
    holds: "Task annotations, our label and the sidecar's image do not change.",
    why: 'What was admitted would no longer be what runs, or what people are shown.',
    message: "change the workload's template: its pods are created anew",
    looksAt: ['/metadata/annotations', '/metadata/labels', ...everywhere('image')],
    exceptionCosts:
      "Another image may take the sidecar's place and hold the exchange token: the authority then refuses it, under trust: cluster nobody does.",
    by: 'webhook',
    on: ['UPDATE'],
    judge: judgeUpdates,
  },
  {
    id: '9',
    holds:
      'No ephemeral container is in the pod, and none is added but by the break-glass group, never one that targets the sidecar.',
    why: "A container that joins later sees the pod's network and, where it targets another, that one's processes and files.",
    message: 'debug a copy of the pod without tasks, or ask the break-glass group',
    looksAt: ['/spec/ephemeralContainers', '/spec/ephemeralContainers/*/targetContainerName'],
    exceptionCosts:
      'Whoever may change pods/ephemeralcontainers joins running pods of the namespace, within rules 3, 4, 6 and 7.',
    by: 'webhook',
    on: ['CREATE', 'UPDATE', 'LIVE'],
    isFirm: isOfTarget,
    judge: judgeEphemeralContainers,
  },
  {
    id: '10',
    holds: "The sidecar's resources do not change.",
    why: 'A sidecar without memory or time answers nobody, and a revocation reaches it late.',
    message: 'resize the other containers; the platform sets sidecar.resources',
    looksAt: [...everywhere('resources')],
    exceptionCosts: 'Whoever may resize pods can starve the sidecar of its memory and its time.',
    by: 'webhook',
    on: ['UPDATE'],
    judge: judgeResizes,
  },
  {
    id: '11',
    holds: 'Nobody runs a command in the sidecar, or attaches to it.',
    why: "A shell in the sidecar reads the exchange token, and every consumer's credentials.",
    message: 'name another container; what the sidecar does is in its log and its metrics',
    looksAt: ['pods/exec /container', 'pods/attach /container'],
    by: 'ValidatingAdmissionPolicy',
  },
  {
    id: '12',
    holds:
      'Under trust: authority, a token for our audience is given to kubelets alone, bound to a pod.',
    why: "Whoever may create serviceaccounts/token would ask for the exchange token of any pod's account.",
    message: 'declare a task: the kubelet gets the token for the sidecar',
    looksAt: [
      'serviceaccounts/token /spec/audiences',
      'serviceaccounts/token /spec/boundObjectRef',
    ],
    by: 'ValidatingAdmissionPolicy',
  },
  {
    id: '13',
    holds: 'Every refusal names the path, what was found and what is allowed, all at once.',
    why: 'Whoever is refused without a reason turns the guard off.',
    message: 'report a refusal that does not say how to be rid of it: it is a bug',
    looksAt: ['every refusal'],
    by: 'every rule',
  },
];

/** Those that are held by code. */
const JUDGED: readonly JudgedRule[] = RULES.flatMap((rule) =>
  rule.by === 'webhook' ? [rule] : [],
);

/** The rule of that id, where there is one. */
export const ruleOf = (id: string | undefined): Rule | undefined =>
  RULES.find((rule) => rule.id === id);

/**
 * Holds every rule of the occasion against a pod, or those of them that are asked for.
 *
 * @returns every breach at once, each with its rule's id
 */
export const judgePod = (
  pod: Pod,
  context: JudgeContext,
  isAskedFor: (id: string) => boolean = () => true,
): readonly Fault[] =>
  JUDGED.filter(({ id }) => isAskedFor(id)).flatMap((rule) =>
    once(faultsOf(rule, pod, context)).map((fault) => ({ ...fault, rule: rule.id })),
  );

const faultsOf = (rule: JudgedRule, pod: Pod, context: JudgeContext): readonly Fault[] => {
  if (rule.on.includes(context.occasion)) return rule.judge(pod, context);
  if (context.occasion !== 'UPDATE' || rule.isOfJoining !== true) return [];
  const joining = joiningContainers(pod, context.oldPod).map(({ path }) => `${path}/`);
  if (joining.length === 0) return [];
  return rule
    .judge(pod, context)
    .filter(({ path }) => joining.some((prefix) => path.startsWith(prefix)));
};

/** What the pod says for all containers would be said again for each. */
const once = (faults: readonly Fault[]): readonly Fault[] => {
  const known = new Set<string>();
  return faults.filter(({ source = '', path, expected }) => {
    const key = `${source}\n${path}\n${expected}`;
    return !known.has(key) && known.add(key);
  });
};
