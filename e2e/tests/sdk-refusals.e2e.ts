import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CALL_REFUSALS, isRefusalCode } from '../../lib/calls/call-refusals.ts';
import { buildRefusalClient, refusalClientNames } from '../clients/refusal-clients.ts';
import { runCommand } from '../cluster/command.ts';
import {
  expectFullRefusal,
  parseRaisedLines,
  refusalCodes,
  startRefusingServer,
} from './refusing-server.ts';

/** 401 asks for the key of an HTTP API; no call of AWS is refused with it, and the JDK drops its body. */
const codes = refusalCodes.filter(
  (code) => isRefusalCode(code) && CALL_REFUSALS[code].status !== 401,
);

describe('refusals of calls of DynamoDB and SQS', () => {
  let server: Awaited<ReturnType<typeof startRefusingServer>>;

  beforeAll(async () => {
    server = await startRefusingServer();
  });

  afterAll(() => server.close());

  it.each(refusalClientNames)(
    'are exceptions with our code, our message and the ID of the call, in the SDK for %s',
    async (name) => {
      const print = (line: string): void => void process.stdout.write(`${line}\n`);
      const { command, args } = await buildRefusalClient(print, name);
      const { stdout } = await runCommand(command, [...args, server.url, ...codes]);
      const lines = parseRaisedLines(stdout);
      expect(lines).toHaveLength(2 * codes.length);
      expect(new Set(lines.map(({ service }) => service))).toEqual(new Set(['dynamodb', 'sqs']));
      lines.forEach(expectFullRefusal);
    },
  );
});
