import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../test/kit/retry.ts';
import { EXPECTED_OUTCOMES } from '../attacks/inside/expected-outcomes.ts';
import type { ListenerStats } from '../attacks/inside/serving-meter.ts';
import { execInPod } from '../cluster/kubectl.ts';
import { recordMeasurement } from '../measurements.ts';
import { bundleAttacker, runAttacker } from './attacker.ts';
import { killSidecar, readSidecarStatus } from './node-access.ts';
import {
  callSidecarWithRetry,
  callSidecarFromPod,
  cluster,
  createNamespace,
  expectRead,
  readReports,
  runPod,
  testContext,
} from './test-context.ts';
import type { PodRef } from './test-context.ts';

const { node } = testContext;

const tasks = {
  read: { ...readReports, containers: ['agent', 'helper'], default: true },
  again: { ...readReports, containers: ['helper'] },
};

type SquatResult = { collected: number; replayed: string[] };

const MINUTE = 60_000;

/** Medians in milliseconds; `control` is a server on the same node that no one attacks. */
const formatMedians = ({ loopback, socket, control }: ListenerStats): string =>
  `loopback ${loopback.median}, socket ${socket.median}, control ${control.median}`;

describe('a hostile consumer', () => {
  const agent: PodRef = { namespace: '', pod: 'hostile-consumer', container: 'agent' };
  const helper: PodRef = { ...agent, container: 'helper' };
  let script: string;

  const attack = <T>(place: PodRef, ...args: string[]): Promise<T> =>
    runAttacker<T>(script, place, args);

  const outcomes: Record<string, string> = {};

  beforeAll(async () => {
    agent.namespace = helper.namespace = await createNamespace('inside');
    script = await bundleAttacker();
    await runPod({ ...agent, name: agent.pod, containers: ['agent', 'helper'], tasks });
    expect((await callSidecarWithRetry(agent, 'GET', '/v1/credentials')).status).toBe(200);
    expect((await callSidecarWithRetry(helper, 'GET', '/v1/credentials')).status).toBe(200);
    Object.assign(outcomes, await attack(agent, 'reach'), await attack(agent, 'request'));
  }, 5 * MINUTE);

  afterAll(() => console.log(JSON.stringify(outcomes, undefined, 1)));

  it('makes every attempt that has an expected outcome', () => {
    expect(Object.keys(outcomes).sort()).toEqual(Object.keys(EXPECTED_OUTCOMES).sort());
  });

  it.each(Object.keys(EXPECTED_OUTCOMES))('%s', (attempt) => {
    expect(outcomes[attempt]).toMatch(EXPECTED_OUTCOMES[attempt] ?? /^$/);
  });

  describe('that floods the sidecar', () => {
    let before: ListenerStats;

    beforeAll(async () => {
      before = await attack(helper, 'meter', '1500');
    });

    it('(start and complete) is rate limited while its neighbor starts a run', async () => {
      const neighbour = waitFor('a run of the neighbor', async () => {
        const { status } = await callSidecarFromPod(helper, 'POST', '/v1/tasks/again/runs', {});
        if (status !== 201) throw new Error(`${status}`);
        return true;
      });
      const flood = attack<string>(agent, 'flood', 'start and complete', '90000');
      const [came] = await Promise.all([flood, neighbour]);
      outcomes['start and complete'] = came;
      expect(came).toMatch(/429 (start_rate_exceeded|too_many_runs)/);
    });

    it.each([
      'half-open on loopback',
      'no request on loopback',
      'idle on loopback with the token',
      'half-open on its socket',
      'half a body on its socket',
      'pipelined without reading',
      'many starts',
    ])('(%s) does not stop its neighbor from getting 200 for every request', async (flood) => {
      const [came, during] = await Promise.all([
        attack<string>(agent, 'flood', flood, '3000'),
        attack<ListenerStats>(helper, 'meter', '1500'),
      ]);
      outcomes[flood] = `${came}; neighbor ${JSON.stringify({ before, during })}`;
      expect(during).toMatchObject({ loopback: { failed: [] }, socket: { failed: [] } });
      const value = `${formatMedians(during)}; before the flood ${formatMedians(before)}`;
      const name = `ms per request of a neighbor during the flood "${flood}"`;
      recordMeasurement(testContext.folder, { entry: testContext.entry, name, value });
    });
  });

  it('does not make the sidecar restart', async () => {
    expect((await readSidecarStatus(agent)).restartCount).toBe(0);
    await expectRead(helper);
  });

  if (node !== undefined) {
    it(
      'cannot use the tokens that it collects by occupying the loopback port',
      async () => {
        const squatter = { ...agent, pod: 'squatted' };
        const victim = { ...helper, pod: 'squatted' };
        await runPod({ ...squatter, name: 'squatted', containers: ['agent', 'helper'], tasks });
        const squatting = attack<SquatResult>(squatter, 'squat', '60000');
        const isThere = ['/bin/sh', '-c', "grep -l '[s]quat' /proc/[0-9]*/cmdline"];
        await waitFor('the result of the port squatter', () =>
          execInPod(cluster, squatter, isThere),
        );
        const killed = killSidecar(node, squatter).catch(() => undefined);
        const [{ collected, replayed }] = await Promise.all([
          squatting,
          attack(victim, 'meter', '8000'),
          killed,
        ]);
        outcomes['squat'] = `${collected} collected: ${replayed.join(', ')}`;
        expect(collected).toBeGreaterThan(0);
        expect(new Set(replayed)).toEqual(new Set(['401 unauthorized']));
        await expectRead(victim);
      },
      5 * MINUTE,
    );
  }
});
