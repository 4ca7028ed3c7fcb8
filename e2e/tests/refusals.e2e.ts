import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CALL_REFUSALS, isRefusalCode } from '../../lib/calls/call-refusals.ts';
import { buildPython, printBotocoreRefusals } from '../clients/client-builds.ts';
import {
  expectFullRefusal,
  parseRaisedLines,
  refusalCodes,
  startRefusingServer,
} from './refusing-server.ts';
import type { RaisedLine } from './refusing-server.ts';

describe('refusals, as botocore parses them', () => {
  let lines: readonly RaisedLine[] = [];
  let close = (): void => undefined;

  beforeAll(async () => {
    const python = await buildPython((line) => process.stdout.write(`${line}\n`));
    const server = await startRefusingServer();
    close = server.close;
    lines = parseRaisedLines(await printBotocoreRefusals(python, [server.url, ...refusalCodes]));
  }, 300_000);

  afterAll(() => close());

  it('covers each protocol and each code', () => {
    expect(new Set(lines.map(({ code }) => code)).size).toBe(refusalCodes.length);
    expect(new Set(lines.map(({ protocol }) => protocol)).size).toBeGreaterThanOrEqual(10);
  });

  it('raises its own exception with our code, our message and the ID of the call', () => {
    const bodies = lines.filter(({ protocol }) => !protocol.endsWith('HEAD'));
    expect(bodies).not.toEqual([]);
    bodies.forEach(expectFullRefusal);
  });

  it('has the status and the code in the headers of a response to HEAD', () => {
    const heads = lines.filter(({ protocol }) => protocol.endsWith('HEAD'));
    expect(heads).not.toEqual([]);
    for (const { code, raised } of heads) {
      if (!isRefusalCode(code)) continue;
      expect(raised).toMatchObject({ status: CALL_REFUSALS[code].status, valetkeyCode: code });
    }
  });
});
