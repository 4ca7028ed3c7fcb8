import { beforeAll, describe, expect, it } from '@jest/globals';
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

// The tokens are read from files of the node.
if (node !== undefined) {
  describe(`the rate limits of the authority (${cloud.name})`, () => {
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
      usual = computeMedianMs(await startRuns(served, 10));
    });

    /** Starts runs one after another, as the pod's sidecar would. */
    const startRuns = async (pod: PodRef, count: number): Promise<HttpsResponse[]> => {
      const token = await readExchangeToken(node, pod);
      const requests = Array.from({ length: count }, (_, run) =>
        buildTokenRequest({ token, purpose: `run ${run}` }),
      );
      const replies = await sendAllFrom(pod, requests);
      // 503 is a correct response on a slow machine: such a run is requested again.
      for (const [run, request] of requests.entries())
        if (replies[run] !== undefined && isLater(replies[run]))
          replies[run] = await sendOneFrom(pod, request);
      return replies;
    };

    /** Expects every run of the other pod to start; records how long they take. */
    const expectServed = async (flood: Promise<unknown>, flooder: string) => {
      const during = await startRuns(served, 15);
      await flood;
      expect(listStatuses(during)).toEqual([200]);
      const value = `${usual} ms alone, ${computeMedianMs(during)} ms during it`;
      const name = `for a run of another pod during ${flooder}`;
      recordMeasurement(testContext.folder, { entry: testContext.entry, name, value });
    };

    it('refuse requests of a pod that floods with slow_down, and do not affect another pod', async () => {
      const token = await readExchangeToken(node, flooding);
      const requests = Array.from({ length: 300 }, (_, run) =>
        buildTokenRequest({ token, purpose: `flood ${run}` }),
      );
      const flood = sendAllFrom(flooding, requests, { concurrency: 2 });
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

    it('do not charge a pod for forged tokens that name it', async () => {
      const forged = await createUntrustedSigner()(await readExchangeToken(node, served));
      const requests = Array.from({ length: 300 }, (_, run) =>
        buildTokenRequest({ token: forged, purpose: `forged ${run}` }),
      );
      const flood = sendAllFrom(flooding, requests, { concurrency: 2 });
      await expectServed(flood, 'a flood of forged tokens');
      const refused = (await flood).filter((reply) => !isLater(reply));
      expect(listStatuses(refused)).toEqual([400]);
      expect(new Set(refused.map((reply) => parseTokenError(reply).reason))).toEqual(
        new Set(['token_signature']),
      );
    });
  });
}
