import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createRevocation,
  createRevocationNames,
  recordSeconds,
  waitForConsumerLine,
} from '../authority/revocation-objects.ts';
import { cloud, createNamespace, runPod } from '../test-context.ts';
import type { PodRef } from '../test-context.ts';
import { hasBegun, uploadCommand, uploadTask } from './slow-upload.ts';
import type { CutLine } from './slow-upload.ts';

describe(`an upload that the gateway passes on to ${cloud.name}`, () => {
  const names = createRevocationNames('upload');
  const place: PodRef = { namespace: '', pod: 'uploading' };

  beforeAll(async () => {
    place.namespace = await createNamespace('upload');
    await names.deleteAll();
  });

  afterAll(names.deleteAll);

  it('is cut by a Revocation of its pod', async () => {
    const { namespace, pod: name } = place;
    await runPod({ name, namespace, tasks: { work: uploadTask }, command: uploadCommand });
    await waitForConsumerLine(place, 'the begin of its upload', hasBegun);
    const revokedAt = await createRevocation(names.get('upload'), { pod: { namespace, name } });
    const line = await waitForConsumerLine<CutLine>(
      place,
      'the end of its upload',
      ({ cut }) => cut !== undefined,
    );
    recordSeconds('from a Revocation to the cut of an upload in flight', line.at - revokedAt);
    expect(line.cut).not.toBe('never');
    expect(line.at - revokedAt).toBeLessThan(10_000);
  });
});
