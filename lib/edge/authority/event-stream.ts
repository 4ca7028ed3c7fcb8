import type { IncomingMessage } from 'node:http';

import { EVENTS_PATH, type StreamedRevocation, type StreamLine } from '../../contract/authority.ts';
import { ExchangeError } from '../../credentials/exchange.ts';
import type { Connect } from '../../credentials/following.ts';
import { list, oneOf, read, string, type Reader } from '../../reading/reader.ts';
import { toAuthorityFault, toExchangeError } from './authority-fault.ts';
import { readText, type Connection } from './connection.ts';
import { toLinkFault } from './link-fault.ts';
import { known } from './token-answer.ts';

/** Thousands of revocations that all touch one pod. */
const LONGEST_LINE = 1024 * 1024;
const NEWLINE = 0x0a;

const word = (maxLength: number): Reader<string> => string({ expected: 'a string', maxLength });

const revocation: Reader<StreamedRevocation> = known({
  name: word(253),
  run: { optional: word(64) },
  task: { optional: word(63) },
  reason: word(1024),
});

const lines: Readonly<Record<StreamLine['type'], Reader<StreamLine>>> = {
  heartbeat: known({ type: oneOf(['heartbeat']) }),
  revocations: known({ type: oneOf(['revocations']), active: list(revocation) }),
  goodbye: known({ type: oneOf(['goodbye']) }),
};

/**
 * The authority's stream (`application/x-ndjson`). A line that cannot be understood ends the
 * connection, because what it says about revocations is not known; a type of line that this sidecar
 * has never heard of is an authority's that is newer, and is passed over.
 */
export const openEvents =
  (connection: Connection): Connect =>
  async (token, onLine, signal) => {
    try {
      const answer = await connection.open(EVENTS_PATH, token, signal);
      if (answer.statusCode !== 200) throw await refusalOf(answer, token);
      for await (const text of linesOf(answer)) {
        const line = readLine(text);
        if (line !== undefined) onLine(line);
      }
    } catch (thrown) {
      throw toExchangeError(thrown);
    }
  };

const refusalOf = async (answer: IncomingMessage, token: string): Promise<Error> => {
  const { statusCode: status = 0, headers } = answer;
  return toAuthorityFault({ status, headers, body: await readText(answer) }, [token]);
};

async function* linesOf(answer: IncomingMessage): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      let begin = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, begin)) {
        parts.push(chunk.subarray(begin, end));
        yield Buffer.concat(parts).toString('utf8');
        parts = [];
        length = 0;
        begin = end + 1;
      }
      parts.push(chunk.subarray(begin));
      length += chunk.length - begin;
      if (length > LONGEST_LINE) throw malformed('a line without an end');
    }
  } catch (thrown) {
    throw thrown instanceof ExchangeError ? thrown : toLinkFault(thrown, { wasSent: true });
  }
}

const readLine = (text: string): StreamLine | undefined => {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    throw malformed('a line that is no JSON');
  }
  const type = (given as { type?: unknown } | null)?.type;
  if (typeof type !== 'string') throw malformed('a line without a type');
  if (!Object.hasOwn(lines, type)) return undefined;
  const line = read(lines[type as StreamLine['type']], given);
  if (!line.ok) throw malformed(line.faults.map(({ path }) => path).join(', '));
  return line.value;
};

const malformed = (what: string): ExchangeError =>
  new ExchangeError(
    'unavailable',
    'stream_malformed',
    `The authority's stream cannot be understood: ${what}`,
  );
