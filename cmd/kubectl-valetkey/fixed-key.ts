import type { Platform } from '../../lib/contract/platform.ts';
import type { Task } from '../../lib/contract/task.ts';
import { isInjected, listConsumers } from '../../lib/injection/consumers.ts';
import { findFixedKeyObstacle } from '../../lib/injection/fixed-key.ts';
import { parsePod } from '../../lib/injection/pod-schema.ts';
import { getLevel } from '../../lib/injection/rules/levels.ts';
import {
  applySecurityDefaults,
  buildSecurityDefaults,
} from '../../lib/injection/security-defaults.ts';
import type { PodToExplain } from './explain-report.ts';

/** Explains whether the UID of a pod is a key of its clients: of a running pod, and of one that is not created yet. */
export const explainFixedKey = (
  raw: unknown,
  {
    platform,
    namespace,
    tasks,
  }: { readonly platform: Platform; readonly namespace: string; readonly tasks: readonly Task[] },
): Pick<PodToExplain, 'fixedKeyObstacle'> => {
  const read = parsePod(raw);
  if (!read.ok) return { fixedKeyObstacle: 'the pod cannot be read' };
  const pod = isInjected(read.value)
    ? read.value
    : applySecurityDefaults(
        read.value,
        buildSecurityDefaults(read.value, getLevel(namespace, platform.pods)),
      );
  const consumers = listConsumers(pod, tasks);
  const why = findFixedKeyObstacle(pod, { platform, namespace, consumers });
  return why === undefined ? {} : { fixedKeyObstacle: why };
};
