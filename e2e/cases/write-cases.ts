import { requestCase, type CloudCase } from './cloud-case.ts';
import {
  allow,
  data,
  get,
  policy,
  put,
  readReports,
  remove,
  sdkPut,
  step,
  writeReports,
  WRITTEN,
} from './wishes.ts';

/** What is written, read back and removed, by hand and by an SDK. */
export const WRITE_CASES: readonly CloudCase[] = [
  requestCase('what was written is read back', policy(readReports, writeReports), [
    step(put('reports/by case (1) + ü.csv'), 'done'),
    { ...step(get('reports/by case (1) + ü.csv'), 'done'), content: WRITTEN },
    step(put('reports/unsigned.csv', { payload: 'unsigned' }), 'done'),
    step(put('secrets/written.csv'), 'denied'),
  ]),
  requestCase('an SDK writes text with its own checksum', policy(readReports, writeReports), [
    { ask: sdkPut('text', 'reports/sdk-text.csv'), expected: 'done' },
    { ...step(get('reports/sdk-text.csv'), 'done'), content: WRITTEN },
    { ask: sdkPut('text', 'secrets/sdk-text.csv'), expected: 'denied' },
  ]),
  requestCase(
    'an SDK writes a stream in chunks with a trailing checksum',
    policy(readReports, writeReports),
    [
      { ask: sdkPut('stream', 'reports/sdk-stream.csv'), expected: 'done' },
      { ...step(get('reports/sdk-stream.csv'), 'done'), content: WRITTEN },
      { ask: sdkPut('stream', 'secrets/sdk-stream.csv'), expected: 'denied' },
    ],
    {
      rgw: {
        reason: 'version 16 knows no trailing checksums',
        outcomes: ['done', 'not understood', 'absent', 'not understood'],
      },
    },
  ),
  requestCase(
    'what may be removed is removed',
    policy(writeReports, allow('s3:DeleteObject', `${data}/reports/*`)),
    [
      step(put('reports/short-lived.csv'), 'done'),
      step(remove('reports/short-lived.csv'), 'done'),
      step(remove('secrets/keys.txt'), 'denied'),
    ],
  ),
];
