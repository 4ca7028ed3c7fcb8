import { expect } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { getJson, runKubectl } from '../../cluster/kubectl.ts';
import { readPodUid } from '../node-access.ts';
import { cluster, testContext } from '../test-context.ts';
import type { PodRef } from '../test-context.ts';
import { authorityLabel, parseTokenError } from './authority-requests.ts';
import type { HttpsResponse } from './authority-requests.ts';

/** An audit record: OCSF, with Valetkey's own fields below `unmapped`. */
export type AuditRecord = {
  class_uid: number;
  time: number;
  metadata: { correlation_uid?: string };
  status_id: number;
  status_code?: string;
  message?: string;
  session?: { uid?: string; uid_alt?: string; expiration_time?: number };
  actor?: { authorizations?: { decision: string; policy: { name: string; version: string } }[] };
  entity?: { type?: string; name: string };
  unmapped: {
    kind: string;
    namespace?: string;
    pod?: string;
    pod_uid?: string;
    task?: string;
    purpose?: string;
    user?: { issuer: string; subject: string };
  };
};

const isRecord = (line: string): boolean => line.startsWith('{') && line.includes('"class_uid"');

/** Reads the records of both replicas of the last five minutes, from their logs. */
export const readRecords = async (): Promise<AuditRecord[]> => {
  const where = ['-n', testContext.release.namespace, '-l', authorityLabel];
  const { stdout } = await runKubectl(cluster, ['logs', ...where, '--tail=-1', '--since=5m']);
  const lines = stdout.split('\n').filter(isRecord);
  return lines.map((line) => JSON.parse(line) as AuditRecord);
};

/** Waits for a record: a container's log lags slightly behind its output. */
export const waitForRecord = (
  what: string,
  isWanted: (record: AuditRecord) => boolean,
): Promise<AuditRecord> =>
  waitFor(`a record of ${what}`, async () => (await readRecords()).find(isWanted), {
    timeoutMs: 30_000,
  });

export type ExpectedRefusal = {
  status: number;
  reason: string;
  /** The purpose of the request: it finds the record. */
  purpose: string;
  /** The pod of the token, if it was verified: the record and an Event name it. */
  pod?: PodRef;
};

/** Expects a refusal, its record, and the Event on its pod. */
export const expectRefusal = async (
  reply: HttpsResponse,
  { pod, ...wanted }: ExpectedRefusal,
): Promise<void> => {
  const { reason, error_description: message } = parseTokenError(reply);
  expect({ status: reply.status, reason, message }).toMatchObject({
    status: wanted.status,
    reason: wanted.reason,
  });
  const record = await waitForRecord(
    `${wanted.reason}, ${wanted.purpose}`,
    ({ unmapped, status_code: code }) =>
      unmapped.kind === 'run.refused' &&
      unmapped.purpose === wanted.purpose &&
      code === wanted.reason,
  );
  expect(record).toMatchObject({ class_uid: 3003, status_id: 2 });
  if (pod === undefined) {
    expect(record.unmapped.pod_uid).toBeUndefined();
    return;
  }
  expect(record.unmapped).toMatchObject({ namespace: pod.namespace, pod: pod.pod });
  await waitForEvent(pod, wanted.reason);
};

type PodEvent = {
  metadata: { annotations?: Record<string, string> };
  reason: string;
  message: string;
  involvedObject: { name: string; uid: string };
};

/** Waits for an Event on the pod about a refusal with this code. */
export const waitForEvent = ({ namespace, pod }: PodRef, code: string): Promise<PodEvent> =>
  waitFor(
    `an Event on ${pod} with ${code}`,
    async () => {
      const where = ['events', '-n', namespace, '--field-selector', `involvedObject.name=${pod}`];
      const { items } = await getJson<{ items: PodEvent[] }>(cluster, where);
      return items.find(({ reason, message }) => reason === 'RunRefused' && message.includes(code));
    },
    { timeoutMs: 30_000 },
  );

/** Waits for the record of a refusal that a pod got through its sidecar. */
export const waitForRefusalRecord = async (place: PodRef, code: string): Promise<AuditRecord> => {
  const uid = await readPodUid(place);
  return waitForRecord(
    `${code} for ${place.pod}`,
    ({ unmapped, status_code: given }) =>
      unmapped.kind === 'run.refused' && unmapped.pod_uid === uid && given === code,
  );
};
