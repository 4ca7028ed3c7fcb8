import { expect, it } from '@jest/globals';

import type { CallRun } from '../../lib/calls/call-runs.ts';
import { ExchangeError } from '../../lib/contract/exchange.ts';
import { createCanaryReporter } from './canary-reports.ts';

/** Reports to an authority that refuses so. @returns whether the report is sent again */
const report = async (code: string): Promise<boolean> => {
  let scheduled = 0;
  let answered: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => (answered = resolve));
  const send = createCanaryReporter({
    decideCall: () => {
      answered();
      return Promise.reject(new ExchangeError('refused', code, 'no'));
    },
    schedule: () => {
      scheduled += 1;
      return () => undefined;
    },
    random: () => 0.5,
    log: { warn: () => undefined } as never,
  });
  const oversight = { ticket: 'vk1.claims.hmac', gates: [], policyVersion: 'one' };
  send({ run: 'run-1', task: 'report', oversight } as unknown as CallRun, {
    action: 's3:GetObject',
  });
  await asked;
  await new Promise(setImmediate);
  return scheduled > 0;
};

it.each([
  ['call_denied', false],
  ['revoked', false],
  ['ticket_invalid', false],
  ['request_malformed', true],
  ['token_expired', true],
])('a report that is refused as %s is sent again: %s', async (code, isSent) => {
  expect(await report(code)).toBe(isSent);
});
