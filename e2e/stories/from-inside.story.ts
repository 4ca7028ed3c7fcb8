import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { build } from 'esbuild';
import { EXPECTED } from '../attacks/inside/expected.ts';
import type { Measure } from '../attacks/inside/metering.ts';
import { execInPod, waitFor } from '../cluster/kubectl.ts';
import { killSidecar, sidecarStatus } from './node.ts';
import {
  askCloud,
  askSidecar,
  cluster,
  createNamespace,
  readReports,
  runPod,
  stage,
} from './stage.ts';
import type { Place } from './stage.ts';

const { node } = stage;

/** The attacker as one script: it comes by standard input, as whatever an agent was talked into. */
const bundleAttacker = async (): Promise<string> => {
  const entry = join(import.meta.dirname, '../attacks/inside/attacker.ts');
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node24',
  });
  return outputFiles[0]?.text ?? '';
};

const tasks = {
  read: { ...readReports, containers: ['agent', 'helper'], default: true },
  again: { ...readReports, containers: ['helper'] },
};

type Squatted = { collected: number; replayed: string[] };

const MINUTE = 60_000;

/**
 * Whether a neighbour of a flood is served as is usual: always, and no slower than the node is just
 * now, as told by a server of its own that nobody attacks.
 */
const isUsual = (before: Measure, during: Measure, how: 'loopback' | 'socket'): boolean => {
  const usual = Math.max(before[how].median, during.control.median);
  return during[how].failed.length === 0 && during[how].median <= 5 * usual + 25;
};

describe('a hostile consumer', () => {
  const agent: Place = { namespace: '', pod: 'besieged', container: 'agent' };
  const helper: Place = { ...agent, container: 'helper' };
  let script: string;

  const attack = async <T>(place: Place, ...args: string[]): Promise<T> => {
    const { namespace, pod, container = 'agent' } = place;
    const command = ['/usr/bin/node', '--input-type=module', '-', ...args];
    const options = { input: script, timeoutMs: 2 * MINUTE };
    const { stdout } = await execInPod(cluster, { namespace, pod, container }, command, options);
    return JSON.parse(stdout) as T;
  };

  const outcomes: Record<string, string> = {};

  beforeAll(async () => {
    agent.namespace = helper.namespace = await createNamespace('inside');
    script = await bundleAttacker();
    await runPod({ ...agent, name: agent.pod, containers: ['agent', 'helper'], tasks });
    expect((await askSidecar(agent, 'GET', '/v1/credentials')).status).toBe(200);
    expect((await askSidecar(helper, 'GET', '/v1/credentials')).status).toBe(200);
    Object.assign(outcomes, await attack(agent, 'reach'), await attack(agent, 'request'));
  }, 2 * MINUTE);

  afterAll(() => console.log(JSON.stringify(outcomes, undefined, 1)));

  test('tries as much as is expected of it', () => {
    expect(Object.keys(outcomes).sort()).toEqual(Object.keys(EXPECTED).sort());
  });

  test.each(Object.keys(EXPECTED))('%s', (attempt) => {
    expect(outcomes[attempt]).toMatch(EXPECTED[attempt] ?? /^$/);
  });

  describe('that floods', () => {
    let before: Measure;

    beforeAll(async () => {
      before = await attack(helper, 'meter', '1500');
    });

    test('(start and complete) is held back, and its neighbour starts a run meanwhile', async () => {
      const neighbour = waitFor('the neighbour to be served', async () => {
        const { status } = await askSidecar(helper, 'POST', '/v1/tasks/again/runs', {});
        if (status !== 201) throw new Error(`${status}`);
        return true;
      });
      const flood = attack<string>(agent, 'flood', 'start and complete', '30000');
      const [came] = await Promise.all([flood, neighbour]);
      outcomes['start and complete'] = came;
      expect(came).toMatch(/429 too_many_(starts|runs)/);
    });

    test.each([
      'half-open on loopback',
      'silent on loopback',
      'idle on loopback with the token',
      'half-open on its socket',
      'half a body on its socket',
      'pipelined without reading',
      'many starts',
    ])('(%s) costs its neighbour nothing', async (flood) => {
      const [came, during] = await Promise.all([
        attack<string>(agent, 'flood', flood, '3000'),
        attack<Measure>(helper, 'meter', '1500'),
      ]);
      outcomes[flood] = `${came}; neighbour ${JSON.stringify({ before, during })}`;
      expect(during).toMatchObject({ loopback: { failed: [] }, socket: { failed: [] } });
      expect(isUsual(before, during, 'loopback')).toBe(true);
      expect(isUsual(before, during, 'socket')).toBe(true);
    });
  });

  test('never brought the sidecar down', async () => {
    expect((await sidecarStatus(agent)).restartCount).toBe(0);
    expect(await askCloud(helper, 'get', 'reports/q3.csv')).toEqual({ status: 200 });
  });

  if (node !== undefined) {
    test(
      'collects by squatting the port nothing that is good for anything',
      async () => {
        const squatter = { ...agent, pod: 'squatted' };
        const victim = { ...helper, pod: 'squatted' };
        await runPod({ ...squatter, name: 'squatted', containers: ['agent', 'helper'], tasks });
        const squatting = attack<Squatted>(squatter, 'squat', '60000');
        const isThere = ['/bin/sh', '-c', "grep -l '[s]quat' /proc/[0-9]*/cmdline"];
        await waitFor('the squatter', () => execInPod(cluster, squatter, isThere));
        const killed = killSidecar(node, squatter).catch(() => undefined);
        const [{ collected, replayed }] = await Promise.all([
          squatting,
          attack(victim, 'meter', '8000'),
          killed,
        ]);
        outcomes['squat'] = `${collected} collected: ${replayed.join(', ')}`;
        expect(collected).toBeGreaterThan(0);
        expect(new Set(replayed)).toEqual(new Set(['401 unauthorized']));
        expect(await askCloud(victim, 'get', 'reports/q3.csv')).toEqual({ status: 200 });
      },
      3 * MINUTE,
    );
  }
});
