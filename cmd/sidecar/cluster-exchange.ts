import { randomBytes } from 'node:crypto';

import type { Clock } from '../../lib/contract/clock.ts';
import type { Exchange } from '../../lib/contract/exchange.ts';
import { createStsClient } from '../../lib/edge/aws/sts-client.ts';
import { createStsExchange } from '../../lib/edge/aws/sts-exchange.ts';
import { buildSessionName } from '../../lib/scope/aws/session-name.ts';
import { buildSessionPolicy } from '../../lib/scope/aws/session-policy.ts';
import type { ClusterConfig } from './config.ts';
import { createTokenReader } from './token-file.ts';

/** The exchange under `trust: cluster`: the pod's own token, straight to STS. */
export const createClusterExchange = (
  { cloud, podName, podIp, tokenFile }: ClusterConfig,
  { clock, reportSkew }: { clock: Clock; reportSkew: (skewMs: number) => void },
): Exchange =>
  createStsExchange({
    assumeRole: createStsClient(cloud),
    readToken: createTokenReader(tokenFile),
    sessionPolicy: ({ task, params }, deadline) =>
      buildSessionPolicy({ task, params, deadline, cloud, podIp }),
    sessionName: (run) => buildSessionName({ podName, run }),
    newRun: () => randomBytes(12).toString('base64url'),
    clock,
    reportSkew,
    random: Math.random,
  });
