import { randomBytes } from 'node:crypto';

import type { Clock } from '../../lib/contract/clock.ts';
import type { Exchange } from '../../lib/credentials/exchange.ts';
import { openSts } from '../../lib/edge/aws/sts-client.ts';
import { stsExchange } from '../../lib/edge/aws/sts-exchange.ts';
import { sessionName } from '../../lib/scope/aws/session-name.ts';
import { sessionPolicy } from '../../lib/scope/aws/session-policy.ts';
import type { ClusterConfig } from './config.ts';
import { tokenReader } from './token-file.ts';

/** The exchange under `trust: cluster`: the pod's own token, straight to STS. */
export const clusterExchange = (
  { cloud, podName, podIp, tokenFile }: ClusterConfig,
  { clock, reportSkew }: { clock: Clock; reportSkew: (skewMs: number) => void },
): Exchange =>
  stsExchange({
    assumeRole: openSts(cloud),
    readToken: tokenReader(tokenFile),
    sessionPolicy: ({ task, params }, deadline) =>
      sessionPolicy({ task, params, deadline, cloud, podIp }),
    sessionName: (run) => sessionName({ podName, run }),
    newRun: () => randomBytes(12).toString('base64url'),
    clock,
    reportSkew,
    random: Math.random,
  });
