import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

import { createBodyBuffers } from '../../lib/calls/body-buffers.ts';
import type { EndedCall } from '../../lib/calls/ended-call.ts';
import { createRefusalNotes } from '../../lib/calls/noted-refusals.ts';
import type { DecideCall } from '../../lib/calls/gates.ts';
import type { CallRuns } from '../../lib/calls/call-runs.ts';
import type { CallJournal } from '../../lib/calls/journal.ts';
import { createOriginFinder } from '../../lib/calls/cloud-origins.ts';
import { parseHttpRoute } from '../../lib/calls/http-target.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { GatewayAccess } from '../../lib/contract/platform.ts';
import type { Schedule } from '../../lib/contract/schedule.ts';
import type { AdmittedTasks } from '../../lib/contract/task.ts';
import type { HandleCall } from '../../lib/edge/gateway/call-exchange.ts';
import { createCallHandler, type CallHandlerDeps } from '../../lib/edge/gateway/call-handler.ts';
import {
  createHttpCallHandler,
  type HttpCallDeps,
} from '../../lib/edge/gateway/http-call-handler.ts';
import { createTableLoader } from '../../lib/edge/gateway/operation-tables.ts';
import { isCloudAddress } from '../../lib/edge/http/address-check.ts';
import { createHttpUpstreams } from '../../lib/edge/http/http-upstreams.ts';
import { createUpstreamClient } from '../../lib/edge/http/upstream-client.ts';
import type { GatewayState, SidecarMetrics } from '../../lib/edge/telemetry/sidecar-metrics.ts';
import type { LocalKeys } from '../../lib/runs/local-keys.ts';
import type { RefusalMemory } from '../../lib/runs/refusal-memory.ts';
import { createTextSigner } from '../../lib/signing/signing-keys.ts';

export type GatewayHandlerDeps = {
  readonly access: GatewayAccess;
  readonly localKeys: LocalKeys;
  readonly runs: CallRuns;
  readonly admitted: AdmittedTasks;
  readonly journal: Pick<CallJournal, 'record' | 'isBlocked'>;
  readonly metrics: Pick<SidecarMetrics, 'callEnded'>;
  /** Asks the authority; absent without one, which makes no gates. */
  readonly decideCall?: DecideCall | undefined;
  readonly refusals: Pick<RefusalMemory, 'remember'>;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** For tests, whose clouds are on loopback. Default: the addresses that clouds can have. */
  readonly isCloudAddress?: ((address: string) => boolean) | undefined;
};

/** What a call needs of the listeners. */
export type GatewayListener = Pick<CallHandlerDeps, 'getHost' | 'identified'> &
  Pick<HttpCallDeps, 'identifyClient' | 'fixedKey'>;

export type GatewayHandler = {
  readonly handle: HandleCall;
  readonly readState: () => GatewayState;
  /** Resolves when no call is in progress. */
  readonly waitIdle: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** The authorization scheme selects, never the path: objects of S3 may have any. */
const isHttpCall = ({ headers, url = '' }: IncomingMessage): boolean =>
  headers.authorization?.startsWith('AWS4-') !== true && parseHttpRoute(url) !== undefined;

/** Creates what handles the calls of all listeners. Imported at the first connection. */
export const createGatewayHandler = (
  {
    access,
    localKeys,
    runs,
    admitted,
    journal,
    metrics,
    decideCall,
    refusals,
    clock,
    schedule,
    isCloudAddress: isTestAddress,
  }: GatewayHandlerDeps,
  listener: GatewayListener,
): GatewayHandler => {
  let callsInFlight = 0;
  let onIdle = (): void => undefined;
  const cloud = createUpstreamClient(access, { isAllowedAddress: isTestAddress ?? isCloudAddress });
  const upstreams = createHttpUpstreams(access, isTestAddress);
  const buffers = createBodyBuffers(access, { schedule });
  const report = (call: EndedCall): void => {
    journal.record(call);
    metrics.callEnded(call);
    callsInFlight -= 1;
    if (callsInFlight === 0) onIdle();
  };
  const shared = {
    ...listener,
    maxBodyBytes: access.maxBodyBytes,
    resolveRun: runs.resolve,
    buffers,
    decideCall,
    clock,
    createId: randomUUID,
    isJournalBlocked: journal.isBlocked,
    noteRefusal: createRefusalNotes(refusals),
    begun: () => (callsInFlight += 1),
    report,
  };
  const handleAws = createCallHandler({
    ...shared,
    dialect: access.dialect,
    findKeys: localKeys.find,
    findService: createTableLoader(),
    findOrigin: createOriginFinder(access),
    forward: cloud.forward,
    signText: createTextSigner(),
  });
  const handleHttp = createHttpCallHandler({ ...shared, admitted, send: upstreams.send });
  return {
    handle: (incoming, outgoing, consumer) =>
      (isHttpCall(incoming) ? handleHttp : handleAws)(incoming, outgoing, consumer),
    readState: () => ({
      callsInFlight,
      bufferedBytes: buffers.getReservedBytes(),
      upstreamConnections: cloud.countConnections() + upstreams.countConnections(),
      journalBlocked: Number(journal.isBlocked()),
    }),
    waitIdle: () =>
      new Promise((resolve) => {
        onIdle = resolve;
        if (callsInFlight === 0) resolve();
      }),
    close: async () => {
      await Promise.all([cloud.close(), upstreams.close()]);
    },
  };
};
