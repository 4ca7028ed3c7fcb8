import type { IncomingMessage } from 'node:http';

import {
  EVENTS_PATH,
  type StreamedRevocation,
  type StreamLine,
} from '../../contract/authority-api.ts';
import { ExchangeError } from '../../contract/exchange.ts';
import type { Connect } from '../../runs/revocation-stream.ts';
import { list, stringEnum, read, string, type Reader } from '../../schema/reader.ts';
import { toAuthorityError, toExchangeError } from './authority-error.ts';
import { readText, toConnectionError } from '../http/https-client.ts';
import { MAX_BODY_BYTES, type Connection } from './connection.ts';
import { lenientObject } from './token-response-schema.ts';

/** Enough for thousands of revocations of one pod. */
const MAX_LINE_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

const boundedString = (maxLength: number): Reader<string> =>
  string({ expected: 'a string', maxLength });

const revocation: Reader<StreamedRevocation> = lenientObject({
  name: boundedString(253),
  run: { optional: boundedString(64) },
  task: { optional: boundedString(63) },
  reason: boundedString(1024),
});

const lines: Readonly<Record<StreamLine['type'], Reader<StreamLine>>> = {
  heartbeat: lenientObject({ type: stringEnum(['heartbeat']) }),
  revocations: lenientObject({ type: stringEnum(['revocations']), active: list(revocation) }),
  policies: lenientObject({ type: stringEnum(['policies']), version: boundedString(64) }),
  reconnect: lenientObject({ type: stringEnum(['reconnect']) }),
};

/**
 * Creates the function that connects to the authority's event stream (`application/x-ndjson`). An
 * invalid line ends the connection, because it may be about revocations. A line of an unknown type
 * comes from a newer authority and is ignored.
 */
export const createEventStream =
  (connection: Connection): Connect =>
  async ({ token, followed }, onLine, signal) => {
    try {
      const response = await connection.stream(EVENTS_PATH, { token, followed }, signal);
      if (response.statusCode !== 200) throw await readRefusal(response, token);
      for await (const text of readLines(response)) {
        const line = readLine(text);
        if (line !== undefined) onLine(line);
      }
    } catch (thrown) {
      throw toExchangeError(thrown);
    }
  };

const readRefusal = async (response: IncomingMessage, token: string): Promise<Error> => {
  const { statusCode: status = 0, headers } = response;
  return toAuthorityError({ status, headers, body: await readText(response, MAX_BODY_BYTES) }, [
    token,
  ]);
};

async function* readLines(response: IncomingMessage): AsyncGenerator<string> {
  let pending: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
        pending.push(chunk.subarray(start, end));
        yield Buffer.concat(pending).toString('utf8');
        pending = [];
        length = 0;
        start = end + 1;
      }
      pending.push(chunk.subarray(start));
      length += chunk.length - start;
      if (length > MAX_LINE_BYTES) throw toMalformedError('a line is too long');
    }
  } catch (thrown) {
    throw thrown instanceof ExchangeError ? thrown : toConnectionError(thrown, { wasSent: true });
  }
}

const readLine = (text: string): StreamLine | undefined => {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    throw toMalformedError('a line is not JSON');
  }
  const type = (given as { type?: unknown } | null)?.type;
  if (typeof type !== 'string') throw toMalformedError('a line has no type');
  if (!Object.hasOwn(lines, type)) return undefined;
  const line = read(lines[type as StreamLine['type']], given);
  if (!line.ok) throw toMalformedError(line.faults.map(({ path }) => path).join(', '));
  return line.value;
};

const toMalformedError = (reason: string): ExchangeError =>
  new ExchangeError(
    'unavailable',
    'stream_malformed',
    `The authority's event stream is invalid: ${reason}`,
  );
