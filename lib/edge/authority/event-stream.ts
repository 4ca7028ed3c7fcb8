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

/** Thousands of revocations that all touch one pod. */
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
  reconnect: lenientObject({ type: stringEnum(['reconnect']) }),
};

/**
 * The authority's stream (`application/x-ndjson`). A line that cannot be understood ends the
 * connection, because what it says about revocations is not known; a type of line that this sidecar
 * has never heard of is an authority's that is newer, and is passed over.
 */
export const createEventStream =
  (connection: Connection): Connect =>
  async (token, onLine, signal) => {
    try {
      const answer = await connection.stream(EVENTS_PATH, token, signal);
      if (answer.statusCode !== 200) throw await readRefusal(answer, token);
      for await (const text of readLines(answer)) {
        const line = readLine(text);
        if (line !== undefined) onLine(line);
      }
    } catch (thrown) {
      throw toExchangeError(thrown);
    }
  };

const readRefusal = async (answer: IncomingMessage, token: string): Promise<Error> => {
  const { statusCode: status = 0, headers } = answer;
  return toAuthorityError({ status, headers, body: await readText(answer, MAX_BODY_BYTES) }, [
    token,
  ]);
};

async function* readLines(answer: IncomingMessage): AsyncGenerator<string> {
  let pending: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      let begin = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, begin)) {
        pending.push(chunk.subarray(begin, end));
        yield Buffer.concat(pending).toString('utf8');
        pending = [];
        length = 0;
        begin = end + 1;
      }
      pending.push(chunk.subarray(begin));
      length += chunk.length - begin;
      if (length > MAX_LINE_BYTES) throw toMalformedError('a line without an end');
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
    throw toMalformedError('a line that is no JSON');
  }
  const type = (given as { type?: unknown } | null)?.type;
  if (typeof type !== 'string') throw toMalformedError('a line without a type');
  if (!Object.hasOwn(lines, type)) return undefined;
  const line = read(lines[type as StreamLine['type']], given);
  if (!line.ok) throw toMalformedError(line.faults.map(({ path }) => path).join(', '));
  return line.value;
};

const toMalformedError = (what: string): ExchangeError =>
  new ExchangeError(
    'unavailable',
    'stream_malformed',
    `The authority's stream cannot be understood: ${what}`,
  );
