import { beforeAll, describe, expect, test } from '@jest/globals';
import { noteFigure } from '../../../figures.ts';
import {
  askAllFrom,
  askFrom,
  isLater,
  refusedBody,
  tokenRequest,
} from '../../authority/authority.ts';
import type { Reply } from '../../authority/authority.ts';
import { findEvent, findRefusalOf } from '../../authority/records.ts';
import { strangerSigner } from '../../authority/tokens.ts';
import { exchangeToken } from '../../node.ts';
import { cloud, createNamespace, readReports, runPod, stage } from '../../stage.ts';
import type { Place } from '../../stage.ts';

const { node } = stage;

/** How long each took, the middle one. */
const median = (replies: Reply[]): number =>
  replies.map(({ milliseconds }) => milliseconds).toSorted((a, b) => a - b)[replies.length >> 1] ??
  0;

const statuses = (replies: Reply[]): number[] =>
  [...new Set(replies.map(({ status }) => status))].toSorted();

// The tokens stand in the node's files.
if (node !== undefined) {
  describe(`while one pod floods the authority (${cloud.name})`, () => {
    const flooding: Place = { namespace: '', pod: 'flooding' };
    const served: Place = { namespace: '', pod: 'served' };
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
      usual = median(await runsOf(served, 10));
    });

    /** As the pod's sidecar would start them, one after another. */
    const runsOf = async (pod: Place, count: number): Promise<Reply[]> => {
      const token = await exchangeToken(node, pod);
      const wishes = Array.from({ length: count }, (_, run) =>
        tokenRequest({ token, purpose: `run ${run}` }),
      );
      const replies = await askAllFrom(pod, wishes);
      // 503 is a correct answer on a slow machine: such a run is asked for again, by itself.
      for (const [run, wish] of wishes.entries())
        if (replies[run] !== undefined && isLater(replies[run]))
          replies[run] = await askFrom(pod, wish);
      return replies;
    };

    /** Each of the served pod's runs is granted; how long they take is printed. */
    const expectServed = async (flood: Promise<unknown>, flooder: string) => {
      const during = await runsOf(served, 15);
      await flood;
      expect(statuses(during)).toEqual([200]);
      const value = `${Math.round(usual)} ms alone, ${Math.round(median(during))} ms beside it`;
      const name = `of a run of another pod during ${flooder}`;
      noteFigure(stage.folder, { pass: stage.pass, name, value });
    };

    test('that pod is told to slow down, another is served as ever', async () => {
      const token = await exchangeToken(node, flooding);
      const wishes = Array.from({ length: 300 }, (_, run) =>
        tokenRequest({ token, purpose: `flood ${run}` }),
      );
      const flood = askAllFrom(flooding, wishes, { lanes: 2 });
      await expectServed(flood, 'a flood by one pod');
      const refused = (await flood).filter((reply) => reply.status !== 200 && !isLater(reply));
      expect(statuses(refused)).toEqual([429]);
      expect(refused.length).toBeGreaterThan(0);
      for (const reply of refused) {
        expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0);
        expect(refusedBody(reply)).toMatchObject({ error: 'slow_down', reason: 'flood_pod' });
      }
      expect(await findRefusalOf(flooding, 'flood_pod')).toMatchObject({ status_id: 2 });
      await findEvent(flooding, 'flood_pod');
    });

    test('forged tokens that name a pod cost that pod nothing', async () => {
      const forged = await strangerSigner()(await exchangeToken(node, served));
      const wishes = Array.from({ length: 300 }, (_, run) =>
        tokenRequest({ token: forged, purpose: `forged ${run}` }),
      );
      const flood = askAllFrom(flooding, wishes, { lanes: 2 });
      await expectServed(flood, 'a flood of forged tokens');
      const refused = (await flood).filter((reply) => !isLater(reply));
      expect(statuses(refused)).toEqual([400]);
      expect(new Set(refused.map((reply) => refusedBody(reply).reason))).toEqual(
        new Set(['token_signature']),
      );
    });
  });
}
