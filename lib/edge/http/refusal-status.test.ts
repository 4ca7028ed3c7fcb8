import { expect, test } from '@jest/globals';

import { ExchangeError } from '../../contract/exchange.ts';
import { toRunRefusal, type RunRefusal } from '../../runs/run-refusal.ts';
import { toHttpStatus } from './refusal-status.ts';

test.each(['route_unknown', 'task_unknown'])(
  "returns 404 for the sidecar's own %s, and 403 when the authority denied with that code",
  (code) => {
    const own: RunRefusal = { kind: 'refusal', nature: 'refused', code, message: 'x' };
    expect(toHttpStatus(own)).toBe(404);
    expect(toHttpStatus(toRunRefusal(new ExchangeError('refused', code, 'x')))).toBe(403);
    expect(toHttpStatus(toRunRefusal(new ExchangeError('unavailable', code, 'x')))).toBe(503);
  },
);
