import { randomUUID } from 'node:crypto';

import { createBodyBuffers } from '../../lib/calls/body-buffers.ts';
import type { EndedCall } from '../../lib/calls/ended-call.ts';
import type { CallRuns } from '../../lib/calls/call-runs.ts';
import type { CallJournal } from '../../lib/calls/journal.ts';
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
  readonly journal: Pick<CallJournal, 'record' | 'isBlocked'>;
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
  /** Resolves when no call is in progress. */
  readonly waitIdle: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Creates what handles the calls of all listeners. Imported at the first connection. */
export const createGatewayHandler = (
  {
    access,
    localKeys,
    runs,
    journal,
    metrics,
    clock,
    schedule,
    isCloudAddress: isAllowedAddress = isCloudAddress,
  }: GatewayHandlerDeps,
  listener: GatewayListener,
): GatewayHandler => {
  let callsInFlight = 0;
  let onIdle = (): void => undefined;
  const upstream = createUpstreamClient(access, { isAllowedAddress });
  const buffers = createBodyBuffers(access, { schedule });
  const report = (call: EndedCall): void => {
    journal.record(call);
    metrics.callEnded(call);
    callsInFlight -= 1;
    if (callsInFlight === 0) onIdle();
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
    isJournalBlocked: journal.isBlocked,
    begun: () => (callsInFlight += 1),
    report,
  });
  return {
    handle,
    readState: () => ({
      callsInFlight,
      bufferedBytes: buffers.getReservedBytes(),
      upstreamConnections: upstream.countConnections(),
      journalBlocked: Number(journal.isBlocked()),
    }),
    waitIdle: () =>
      new Promise((resolve) => {
        onIdle = resolve;
        if (callsInFlight === 0) resolve();
      }),
    close: upstream.close,
  };
};
