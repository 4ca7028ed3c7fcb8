import { recordMeasurement } from '../../../measurements.ts';
import { testContext } from '../../test-context.ts';

/** Notes what a story of load measured. */
export const recordLoad = (name: string, value: string): void =>
  recordMeasurement(testContext.folder, { entry: testContext.entry, name, value });

export const formatSeconds = (milliseconds: number): string =>
  `${(milliseconds / 1000).toFixed(2)} s`;
