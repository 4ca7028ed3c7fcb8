import type { Pod } from '../../contract/pod.ts';
import type { Fault } from '../../reading/fault.ts';
import { judgeEphemeralContainers } from './ephemeral-containers.ts';
import { judgeForeignCredentials } from './foreign-credentials.ts';
import { judgeHardening } from './hardening.ts';
import { judgeIsolation } from './isolation.ts';
import { judgeMounts } from './mounts.ts';
import { judgeOwnNames } from './own-names.ts';
import type { JudgeContext, Rule } from './rule.ts';
import { judgeSidecarEquality } from './sidecar-equality.ts';
import { judgeUpdates } from './updates.ts';
import { judgeVolumes } from './volumes.ts';

const EVERY_CONTAINER = [
  '/spec/initContainers/*',
  '/spec/containers/*',
  '/spec/ephemeralContainers/*',
];
const everywhere = (member: string): readonly string[] =>
  EVERY_CONTAINER.map((path) => `${path}/${member}`);

/** Rules 1–9 of docs/rules.md. 10 to 13 follow here. */
export const RULES: readonly Rule[] = [
  {
    id: '1',
    holds:
      'No container, volume, label or annotation bears a name of Valetkey, but for task declarations and what injection itself puts there.',
    looksAt: [
      ...everywhere('name'),
      '/spec/volumes/*/name',
      '/metadata/labels',
      '/metadata/annotations',
    ],
    on: ['CREATE'],
    judge: judgeOwnNames,
  },
  {
    id: '2',
    holds:
      'Exactly one sidecar stands before every ordinary init container and every consumer, and everything injected equals an accepted profile.',
    looksAt: [
      '/spec/initContainers',
      '/spec/volumes',
      '/spec/automountServiceAccountToken',
      '/metadata/labels',
      ...everywhere('env'),
      ...everywhere('volumeMounts'),
    ],
    on: ['CREATE', 'LIVE'],
    judge: judgeSidecarEquality,
  },
  {
    id: '3',
    holds:
      "The pod shares no namespace with its node or between its containers, is not for Windows, takes none of the sidecar's ids and aliases no name of the authority or the cloud.",
    looksAt: [
      '/spec/hostPID',
      '/spec/hostIPC',
      '/spec/hostNetwork',
      '/spec/shareProcessNamespace',
      '/spec/os',
      '/spec/securityContext',
      '/spec/hostAliases',
      '/spec/hostnameOverride',
      ...everywhere('securityContext/windowsOptions'),
    ],
    on: ['CREATE', 'LIVE'],
    judge: judgeIsolation,
  },
  {
    id: '4',
    holds:
      'Every other container keeps to level restricted: not root, no gain of rights, no capabilities, confined.',
    looksAt: [...everywhere('securityContext'), '/spec/securityContext', '/metadata/annotations'],
    on: ['CREATE', 'LIVE'],
    judge: judgeHardening,
  },
  {
    id: '5',
    holds:
      'No volume opens the node, or holds a token for an audience that is traded for credentials.',
    looksAt: [
      '/spec/volumes/*/hostPath',
      '/spec/volumes/*/projected/sources/*/serviceAccountToken',
    ],
    on: ['CREATE', 'LIVE'],
    judge: judgeVolumes,
  },
  {
    id: '6',
    holds:
      'A consumer mounts its own socket volume as injected; no other container touches a volume or a path of Valetkey.',
    looksAt: [...everywhere('volumeMounts'), ...everywhere('volumeDevices'), ...everywhere('env')],
    on: ['CREATE', 'LIVE'],
    judge: judgeMounts,
  },
  {
    id: '7',
    holds: 'No container brings static cloud keys or a cloud role by another mechanism.',
    looksAt: everywhere('env'),
    on: ['CREATE', 'LIVE'],
    judge: judgeForeignCredentials,
  },
  {
    id: '8',
    holds: "Task annotations, our label and the sidecar's image do not change.",
    looksAt: ['/metadata/annotations', '/metadata/labels', ...everywhere('image')],
    on: ['UPDATE'],
    judge: judgeUpdates,
  },
  {
    id: '9',
    holds: 'No ephemeral container is in the pod, and none is added.',
    looksAt: ['/spec/ephemeralContainers'],
    on: ['CREATE', 'UPDATE', 'LIVE'],
    judge: judgeEphemeralContainers,
  },
];

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
  RULES.filter(({ id, on }) => on.includes(context.occasion) && isAskedFor(id)).flatMap((rule) =>
    rule.judge(pod, context).map((fault) => ({ ...fault, rule: rule.id })),
  );
