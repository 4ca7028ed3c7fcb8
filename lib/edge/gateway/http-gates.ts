import type { BodyBuffers } from '../../calls/body-buffers.ts';
import { hashBytes, hashJson, type HashedBody } from '../../calls/body-content.ts';
import { buildCallContent } from '../../calls/call-content.ts';
import { selectHttpContentHeaders } from '../../calls/http-headers.ts';
import { splitQuery } from '../../calls/http-target.ts';
import type { CallContent } from '../../contract/authority-api.ts';
import { createBodyReader } from './body-steps.ts';
import type { CallExchange, CallRecords } from './call-record.ts';
import { createGateStep, type GateStepDeps } from './gate-step.ts';
import { hasBody, type AllowedCall } from './http-forward.ts';
import { RefusedCall } from './refused-call.ts';

export type HttpGateDeps = GateStepDeps & {
  readonly buffers: Pick<BodyBuffers, 'reserve'>;
  readonly maxBodyBytes: number;
};

/** Larger bodies are not read for their hash. */
const MAX_HASHED_BYTES = 8 * 1024 * 1024;

/** @returns undefined while the body was not read; a push is named by its commands, whose IDs name its objects */
const hashBody = (call: AllowedCall): HashedBody | undefined => {
  if (call.push !== undefined) return hashJson(call.push.commands);
  if (call.body !== undefined) return hashBytes(call.body);
  return hasBody(call.headers) ? undefined : { none: true };
};

/**
 * Creates the step that applies the gates of a run. The body is read only if people are asked about it, so that
 * its strings are unknown to policies.
 *
 * @returns the call, with its body if that was read
 */
export const createHttpGates = (deps: HttpGateDeps, records: CallRecords) => {
  const checkGates = createGateStep(deps, records);

  return async (exchange: CallExchange, call: AllowedCall): Promise<AllowedCall> => {
    const { headers, run, secret, consumer, target, push } = call;
    const length = headers.get('content-length');
    const bytes = hasBody(headers) ? (length === undefined ? undefined : Number(length)) : 0;
    let passed = call;
    const describe = (): CallContent | undefined => {
      const body = hashBody(passed);
      if (body === undefined) return undefined;
      return buildCallContent({
        origin: target.origin,
        method: exchange.incoming.method ?? '',
        path: target.path,
        body,
        query: splitQuery(target),
        headers: selectHttpContentHeaders(headers, secret.upstream.headers),
        permissions: exchange.record.authorization?.permissions ?? [],
      });
    };
    const readContent = async (): Promise<CallContent | undefined> => {
      const limits = [MAX_HASHED_BYTES, deps.maxBodyBytes, secret.upstream.maxBodyBytes];
      const maxBodyBytes = Math.min(...limits);
      if (push !== undefined || (bytes ?? 0) > maxBodyBytes) return undefined;
      const read = createBodyReader({ ...deps, maxBodyBytes }, records);
      passed = { ...call, body: await read(exchange, consumer) };
      return describe();
    };
    try {
      // A client of Git lists refs before it pushes: then the push is asked about.
      const isPreparing =
        exchange.record.operation?.name === 'receive-pack' && !push?.commands.length;
      await checkGates(exchange, run, { bytes, describe, readContent, isPreparing });
    } catch (thrown) {
      if (thrown instanceof RefusedCall) await push?.refuse(thrown.refusal);
      throw thrown;
    }
    return passed;
  };
};
