import { recordMeasurement } from '../measurements.ts';
import type { TestContext } from '../tests/test-context.ts';
import type { FaultId } from './fault-cases.ts';
import { publishFaultResult, readLoadAverage, type FaultMeasurement } from './fault-results.ts';

/** The faults that end-to-end tests apply and measure, on a cluster with real clouds. */
export const CLUSTER_FAULTS: readonly FaultId[] = [
  'webhook-killed',
  'api-server-restarted',
  'etcd-restored',
  'network-cut',
];

/** The environment variable that `--publish-faults` sets. */
export const PUBLISH_FAULTS = 'VALETKEY_E2E_PUBLISH_FAULTS';

/**
 * Starts the measurement of a fault.
 *
 * @returns prints it, and writes it to `results.json` if the runner was started with `--publish-faults`
 */
export const startFaultRecord = (
  { folder, entry }: Pick<TestContext, 'folder' | 'entry'>,
  id: FaultId,
): ((measurement: FaultMeasurement) => void) => {
  const loadBefore = readLoadAverage();
  return (measurement) => {
    const { figures, recoverySeconds = NaN } = measurement;
    const recovery = { name: 'recovery', value: recoverySeconds, unit: 's' };
    for (const { name, value, unit } of [...figures, recovery]) {
      const formatted = `${Number(value.toPrecision(3))} ${unit}`.trim();
      recordMeasurement(folder, { entry, name: `${id}: ${name}`, value: formatted });
    }
    if (process.env[PUBLISH_FAULTS] !== undefined)
      publishFaultResult(id, measurement, { loadBefore });
  };
};
