import { beforeAll, describe, expect, test } from '@jest/globals';
import { computeMedian } from '../../../../test/kit/statistics.ts';
import { recordMeasurement } from '../../../measurements.ts';
import {
  sendAllFrom,
  sendOneFrom,
  isLater,
  parseTokenError,
  buildTokenRequest,
} from '../../authority/authority-requests.ts';
import type { HttpsResponse } from '../../authority/authority-requests.ts';
import { waitForEvent, waitForRefusalRecord } from '../../authority/audit-records.ts';
import { createUntrustedSigner } from '../../authority/forged-tokens.ts';
import { readExchangeToken } from '../../node-access.ts';
import { cloud, createNamespace, readReports, runPod, testContext } from '../../test-context.ts';
import type { PodRef } from '../../test-context.ts';

const { node } = testContext;

const computeMedianMs = (replies: HttpsResponse[]): number =>
  Math.round(computeMedian(replies.map(({ milliseconds }) => milliseconds)));

const listStatuses = (replies: HttpsResponse[]): number[] =>
  [...new Set(replies.map(({ status }) => status))].toSorted();

// The tokens stand in the node's files.
if (node !== undefined) {
  describe(`while one pod floods the authority (${cloud.name})`, () => {
    const flooding: PodRef = { namespace: '', pod: 'flooding' };
    const served: PodRef = { namespace: '', pod: 'served' };
    let usual: number;

    beforeAll(async () => {
      [flooding.namespace, served.namespace] = await Promise.all([
        createNamespace('flooding'),
        createNamespace('served'),
      ]);
      await Promise.all(
        [flooding, served].map(({ namespace, pod: name }) =>
          runPod({ name, namespace, tasks: { read: readReports } }),
        ),
      );
      usual = computeMedianMs(await runsOf(served, 10));
    });

    /** As the pod's sidecar would start them, one after another. */
    const runsOf = async (pod: PodRef, count: number): Promise<HttpsResponse[]> => {
      const token = await readExchangeToken(node, pod);
      const wishes = Array.from({ length: count }, (_, run) =>
        buildTokenRequest({ token, purpose: `run ${run}` }),
      );
      const replies = await sendAllFrom(pod, wishes);
      // 503 is a correct answer on a slow machine: such a run is asked for again, by itself.
      for (const [run, wish] of wishes.entries())
        if (replies[run] !== undefined && isLater(replies[run]))
          replies[run] = await sendOneFrom(pod, wish);
      return replies;
    };

    /** Each of the served pod's runs is granted; how long they take is printed. */
    const expectServed = async (flood: Promise<unknown>, flooder: string) => {
      const during = await runsOf(served, 15);
      await flood;
      expect(listStatuses(during)).toEqual([200]);
      const value = `${usual} ms alone, ${computeMedianMs(during)} ms beside it`;
      const name = `of a run of another pod during ${flooder}`;
      recordMeasurement(testContext.folder, { entry: testContext.entry, name, value });
    };

    test('that pod is told to slow down, another is served as ever', async () => {
      const token = await readExchangeToken(node, flooding);
      const wishes = Array.from({ length: 300 }, (_, run) =>
        buildTokenRequest({ token, purpose: `flood ${run}` }),
      );
      const flood = sendAllFrom(flooding, wishes, { lanes: 2 });
      await expectServed(flood, 'a flood by one pod');
      const refused = (await flood).filter((reply) => reply.status !== 200 && !isLater(reply));
      expect(listStatuses(refused)).toEqual([429]);
      expect(refused.length).toBeGreaterThan(0);
      for (const reply of refused) {
        expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0);
        expect(parseTokenError(reply)).toMatchObject({
          error: 'slow_down',
          reason: 'rate_limited_pod',
        });
      }
      expect(await waitForRefusalRecord(flooding, 'rate_limited_pod')).toMatchObject({
        status_id: 2,
      });
      await waitForEvent(flooding, 'rate_limited_pod');
    });

    test('forged tokens that name a pod cost that pod nothing', async () => {
      const forged = await createUntrustedSigner()(await readExchangeToken(node, served));
      const wishes = Array.from({ length: 300 }, (_, run) =>
        buildTokenRequest({ token: forged, purpose: `forged ${run}` }),
      );
      const flood = sendAllFrom(flooding, wishes, { lanes: 2 });
      await expectServed(flood, 'a flood of forged tokens');
      const refused = (await flood).filter((reply) => !isLater(reply));
      expect(listStatuses(refused)).toEqual([400]);
      expect(new Set(refused.map((reply) => parseTokenError(reply).reason))).toEqual(
        new Set(['token_signature']),
      );
    });
  });
}
