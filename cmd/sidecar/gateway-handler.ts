import { randomUUID } from 'node:crypto';

import { createBodyBuffers } from '../../lib/calls/body-buffers.ts';
import type { CallOutcome } from '../../lib/calls/call-outcome.ts';
import type { CallRuns } from '../../lib/calls/call-runs.ts';
import { createOriginFinder } from '../../lib/calls/cloud-origins.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { GatewayAccess } from '../../lib/contract/platform.ts';
import type { Schedule } from '../../lib/contract/schedule.ts';
import {
  createCallHandler,
  type CallHandlerDeps,
  type HandleCall,
} from '../../lib/edge/gateway/call-handler.ts';
import { createTableLoader } from '../../lib/edge/gateway/operation-tables.ts';
import { isCloudAddress } from '../../lib/edge/http/address-check.ts';
import { createUpstreamClient } from '../../lib/edge/http/upstream-client.ts';
import type { GatewayState, SidecarMetrics } from '../../lib/edge/telemetry/sidecar-metrics.ts';
import type { LocalKeys } from '../../lib/runs/local-keys.ts';
import { createTextSigner } from '../../lib/signing/signing-keys.ts';

export type GatewayHandlerDeps = {
  readonly access: GatewayAccess;
  readonly localKeys: LocalKeys;
  readonly runs: CallRuns;
  readonly metrics: Pick<SidecarMetrics, 'callEnded'>;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** For tests, whose clouds are on loopback. Default: the addresses that clouds can have. */
  readonly isCloudAddress?: ((address: string) => boolean) | undefined;
};

/** What a call needs of the listeners. */
export type GatewayListener = Pick<CallHandlerDeps, 'getHost' | 'identified'>;

export type GatewayHandler = {
  readonly handle: HandleCall;
  readonly readState: () => GatewayState;
  readonly close: () => Promise<void>;
};

/** Creates what handles the calls of all listeners. Imported at the first connection. */
export const createGatewayHandler = (
  {
    access,
    localKeys,
    runs,
    metrics,
    clock,
    schedule,
    isCloudAddress: isAllowedAddress = isCloudAddress,
  }: GatewayHandlerDeps,
  listener: GatewayListener,
): GatewayHandler => {
  let callsInFlight = 0;
  const upstream = createUpstreamClient(access, { isAllowedAddress });
  const buffers = createBodyBuffers(access, { schedule });
  const report = (outcome: CallOutcome): void => {
    callsInFlight -= 1;
    metrics.callEnded(outcome);
  };
  const handle = createCallHandler({
    ...listener,
    dialect: access.dialect,
    maxBodyBytes: access.maxBodyBytes,
    findKeys: localKeys.find,
    resolveRun: runs.resolve,
    findService: createTableLoader(),
    findOrigin: createOriginFinder(access),
    send: upstream.send,
    signText: createTextSigner(),
    buffers,
    clock,
    createId: randomUUID,
    begun: () => (callsInFlight += 1),
    report,
  });
  return {
    handle,
    readState: () => ({
      callsInFlight,
      bufferedBytes: buffers.getReservedBytes(),
      upstreamConnections: upstream.countConnections(),
    }),
    close: upstream.close,
  };
};
