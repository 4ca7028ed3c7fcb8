import type { Log } from '../../lib/contract/log.ts';
import { createFixedKey, type FixedKey } from '../../lib/edge/gateway/fixed-key.ts';
import { findPeerUid as findUid, type FindPeerUid } from '../../lib/edge/gateway/peer.ts';
import { testPeerCheck } from '../../lib/edge/gateway/peer-self-test.ts';
import type { SidecarMetrics } from '../../lib/edge/telemetry/sidecar-metrics.ts';
import type { SidecarConfig } from './config.ts';

export type PodFixedKeyDeps = {
  readonly config: SidecarConfig;
  readonly log: Log;
  readonly metrics: Pick<SidecarMetrics, 'peerChecked'>;
  /** Consumer → whether the authority's latest answer to it grants the fixed key. */
  readonly fixedKeyAnswers: ReadonlyMap<string, boolean>;
  /** For tests, whose clients have the user of the sidecar. */
  readonly findPeerUid?: FindPeerUid | undefined;
};

/** Windows has none, and no sidecar. */
const getOwnUid = (): number => process.getuid?.() ?? 0;

/**
 * Creates the fixed key of the pod, and tests whether the kernel shows who connects.
 *
 * @returns undefined for a pod that has none, whatever the authority would answer
 */
export const createPodFixedKey = ({
  config: { podUid, gateway, admitted },
  log,
  metrics,
  fixedKeyAnswers,
  findPeerUid = findUid,
}: PodFixedKeyDeps): FixedKey | undefined => {
  const [consumer] = admitted.consumers;
  const isPossible =
    podUid !== '' &&
    gateway?.fixedKey === 'auto' &&
    admitted.consumers.length === 1 &&
    admitted.tasks.some(({ provider }) => provider === 'http');
  if (!isPossible || consumer === undefined) return undefined;
  const ownUid = getOwnUid();
  // The look-up of the self-test is the real one: a test replaces only that of clients.
  const peerCheck = testPeerCheck({ findPeerUid: findUid, ownUid }).then((check) => {
    metrics.peerChecked(check.works);
    if (!check.works) log.warn('the fixed key is off on this node', { reason: check.why });
    return check;
  });
  const getAnswer = (): boolean | undefined => fixedKeyAnswers.get(consumer);
  return createFixedKey({ podUid, consumer, ownUid, peerCheck, findPeerUid, getAnswer });
};
