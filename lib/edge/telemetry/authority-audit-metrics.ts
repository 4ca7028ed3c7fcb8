import { createSingleFlight } from '../../async/single-flight.ts';
import type { AuditErrorCode } from '../../audit/audit-event.ts';
import { AUTHORITY_METRIC_SPECS as SPECS } from './authority-metric-specs.ts';
import type { MetricRegistry } from './exposition.ts';
import {
  createCounter,
  createHistogram,
  createOutcomeCounter,
  registerCollectedGauge,
} from './metric-registration.ts';

export type AuditMetricsDeps = {
  /** @returns nothing if there is no audit volume, or if it cannot be read */
  readonly readAuditVolume: () => Promise<
    { readonly sizeBytes: number; readonly freeBytes: number } | undefined
  >;
};

/** The part of the authority's metrics that is about its audit records. */
export type AuditMetrics = {
  readonly auditRecordsWritten: (batch: {
    readonly lines: number;
    readonly seconds: number;
  }) => void;
  readonly auditWriteFailed: (code: AuditErrorCode) => void;
  /** A record of calls that a sidecar reported was written. */
  readonly callsRecorded: () => void;
  readonly auditFileExported: (outcome: (typeof EXPORT_OUTCOMES)[number]) => void;
};

/** Failures that stop issuance. */
const AUDIT_WRITE_ERROR_CODES: readonly AuditErrorCode[] = [
  'disk_full',
  'disk_failed',
  'sink_failed',
  'other_writer',
  'head_unpublished',
];

const EXPORT_OUTCOMES = ['uploaded', 'present', 'different', 'failed'] as const;

/** Creates the metrics of audit records, of their export and of their volume. */
export const createAuditMetrics = (
  registry: MetricRegistry,
  deps: AuditMetricsDeps,
): AuditMetrics => {
  const records = createCounter(SPECS.auditRecords, registry);
  const writeSeconds = createHistogram(SPECS.auditWriteSeconds, registry);
  const writeErrors = createCounter(SPECS.auditWriteErrors, registry);
  const callRecords = createCounter(SPECS.callRecords, registry);
  const exports = createOutcomeCounter(SPECS.auditExports, registry, EXPORT_OUTCOMES);
  for (const code of AUDIT_WRITE_ERROR_CODES) writeErrors.inc({ code }, 0);
  registerAuditVolume(registry, deps);
  return {
    auditRecordsWritten: ({ lines, seconds }) => {
      records.inc(lines);
      writeSeconds.observe(seconds);
    },
    auditWriteFailed: (code) => writeErrors.inc({ code }),
    callsRecorded: () => callRecords.inc(),
    auditFileExported: (outcome) => exports.inc({ outcome }),
  };
};

const registerAuditVolume = (registry: MetricRegistry, deps: AuditMetricsDeps): void => {
  // Once for a scrape, so that both values are of the same moment.
  const readAuditVolume = createSingleFlight(deps.readAuditVolume);
  registerCollectedGauge(SPECS.auditVolumeFree, registry, async () => {
    const space = await readAuditVolume();
    return space === undefined ? [] : [{ value: space.freeBytes }];
  });
  registerCollectedGauge(SPECS.auditVolumeSize, registry, async () => {
    const space = await readAuditVolume();
    return space === undefined ? [] : [{ value: space.sizeBytes }];
  });
};
