import { buildRequestCase, type CloudCase } from './cloud-case.ts';
import {
  buildAllow,
  dataBucketArn,
  buildGet,
  buildPolicy,
  buildPut,
  readReports,
  buildDelete,
  buildSdkPut,
  buildStep,
  writeReports,
  WRITTEN_CONTENT,
} from './case-builders.ts';

/** Cases that write, read back and delete objects, with raw requests and with an SDK. */
export const WRITE_CASES: readonly CloudCase[] = [
  buildRequestCase('a written object can be read back', buildPolicy(readReports, writeReports), [
    buildStep(buildPut('reports/by case (1) + ü.csv'), 'done'),
    { ...buildStep(buildGet('reports/by case (1) + ü.csv'), 'done'), content: WRITTEN_CONTENT },
    buildStep(buildPut('reports/unsigned.csv', { payload: 'unsigned' }), 'done'),
    buildStep(buildPut('secrets/written.csv'), 'denied'),
  ]),
  buildRequestCase(
    'an SDK writes text with its own checksum',
    buildPolicy(readReports, writeReports),
    [
      { request: buildSdkPut('text', 'reports/sdk-text.csv'), expected: 'done' },
      { ...buildStep(buildGet('reports/sdk-text.csv'), 'done'), content: WRITTEN_CONTENT },
      { request: buildSdkPut('text', 'secrets/sdk-text.csv'), expected: 'denied' },
    ],
  ),
  buildRequestCase(
    'an SDK writes a stream in chunks with a trailing checksum',
    buildPolicy(readReports, writeReports),
    [
      { request: buildSdkPut('stream', 'reports/sdk-stream.csv'), expected: 'done' },
      { ...buildStep(buildGet('reports/sdk-stream.csv'), 'done'), content: WRITTEN_CONTENT },
      { request: buildSdkPut('stream', 'secrets/sdk-stream.csv'), expected: 'denied' },
    ],
    {
      rgw: {
        reason: 'version 16 does not support trailing checksums',
        outcomes: ['done', 'not understood', 'absent', 'not understood'],
      },
    },
  ),
  buildRequestCase(
    'an object that may be deleted is deleted',
    buildPolicy(writeReports, buildAllow('s3:DeleteObject', `${dataBucketArn}/reports/*`)),
    [
      buildStep(buildPut('reports/short-lived.csv'), 'done'),
      buildStep(buildDelete('reports/short-lived.csv'), 'done'),
      buildStep(buildDelete('secrets/keys.txt'), 'denied'),
    ],
  ),
];
