import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

import { createBodyBuffers } from '../../lib/calls/body-buffers.ts';
import type { CallOutcome } from '../../lib/calls/call-outcome.ts';
import { createOriginFinder } from '../../lib/calls/cloud-origins.ts';
import { createCallHandler } from '../../lib/edge/gateway/call-handler.ts';
import { createTableLoader } from '../../lib/edge/gateway/operation-tables.ts';
import { isCloudAddress } from '../../lib/edge/http/address-check.ts';
import { createUpstreamClient } from '../../lib/edge/http/upstream-client.ts';
import { createTextSigner } from '../../lib/signing/signing-keys.ts';
import type { GatewayDeps, GatewayHandler } from './gateway.ts';

/** Creates what handles the calls of all listeners. Imported at the first connection. */
export const createGatewayHandler = (
  { access, localKeys, runs, metrics, clock, schedule, isCloudAddress: isAllowed }: GatewayDeps,
  listener: {
    readonly getHost: () => string;
    readonly identified: (incoming: IncomingMessage, consumer: string) => void;
  },
): GatewayHandler => {
  let callsInFlight = 0;
  const upstream = createUpstreamClient(access, { isAllowedAddress: isAllowed ?? isCloudAddress });
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
