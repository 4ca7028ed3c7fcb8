import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { RETRY_BUDGET_MS } from '../../async/retry.ts';
import { EXCHANGE_TIMEOUT_MS } from '../../calls/call-runs.ts';
import { ATTEMPT_TIMEOUT_MS } from '../authority/authority-exchange.ts';
import { CALL_TIMEOUT_MS } from '../authority/run-decisions.ts';
import { AUTHORITY_RETRY_BUDGET_MS } from '../aws/role-assumption.ts';
import { ATTEMPT_TIMEOUT_MS as STS_TIMEOUT_MS } from '../aws/signed-client.ts';
import { CONNECT_TIMEOUT_MS } from '../http/upstream-connector.ts';
import { AUTHORITY_METRICS } from './authority-metrics.ts';
import { PROCESS_METRICS } from './process-metrics.ts';
import { SIDECAR_METRICS } from './sidecar-metrics.ts';
import { WEBHOOK_METRICS } from './webhook-metrics.ts';

const CHART = join(import.meta.dirname, '../../../charts/valetkey');

type Schema = {
  readonly properties: {
    readonly webhook: { readonly properties: { readonly timeoutSeconds: { maximum: number } } };
  };
};

const readWebhookTimeout = (): number => {
  const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as Schema;
  return schema.properties.webhook.properties.timeoutSeconds.maximum;
};

/** `authority.approvals.hold` and `authority.approvals.lifetime` may not be longer. */
const MAX_HOLD_SECONDS = 20;
const MAX_APPROVAL_SECONDS = 3600;

/** Seconds after which a program or its caller gives up. 0: nothing limits the time. */
const LIMITS: Readonly<Record<string, number>> = {
  valetkey_webhook_admission_duration_seconds: readWebhookTimeout(),
  valetkey_authority_request_duration_seconds: (AUTHORITY_RETRY_BUDGET_MS + STS_TIMEOUT_MS) / 1000,
  // It has no timeout, but an alert on a minute.
  valetkey_authority_deny_list_update_duration_seconds: 60,
  // The exchange that waits for it.
  valetkey_authority_audit_write_duration_seconds: ATTEMPT_TIMEOUT_MS / 1000,
  valetkey_authority_gated_call_duration_seconds: CALL_TIMEOUT_MS / 1000,
  valetkey_authority_approval_wait_seconds: MAX_APPROVAL_SECONDS,
  valetkey_sidecar_exchange_duration_seconds: (RETRY_BUDGET_MS + ATTEMPT_TIMEOUT_MS) / 1000,
  // What may pass before the request is sent; its answer may last as long as the run.
  valetkey_sidecar_call_duration_seconds:
    (EXCHANGE_TIMEOUT_MS + CONNECT_TIMEOUT_MS) / 1000 + MAX_HOLD_SECONDS,
  valetkey_sidecar_call_overhead_seconds: 0,
};

const HISTOGRAMS = [...WEBHOOK_METRICS, ...AUTHORITY_METRICS, ...SIDECAR_METRICS].filter(
  (metric) => metric.type === 'histogram' && !PROCESS_METRICS.includes(metric),
);

describe('buckets of histograms', () => {
  it.each(HISTOGRAMS)('$name reaches the time after which its program gives up', (metric) => {
    const { name, buckets = [] } = metric;
    const limit = LIMITS[name];
    expect(limit).toBeDefined();
    expect(buckets.at(-1)).toBeGreaterThanOrEqual(limit ?? Infinity);
    expect(buckets).toEqual(buckets.toSorted((one, other) => one - other));
  });
});
