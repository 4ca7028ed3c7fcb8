import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EXPECTED_GATEWAY_OUTCOMES } from '../../attacks/inside/expected-gateway-outcomes.ts';
import { EXPECTED_ISOLATION } from '../../attacks/inside/expected-outcomes.ts';
import { bundleAttacker, runAttacker } from '../attacker.ts';
import { readRunKeys } from '../authority/sidecar-runs.ts';
import { readSidecarStatus } from '../node-access.ts';
import { createNamespace, expectRead, runPod, signReports } from '../test-context.ts';
import type { PodRef } from '../test-context.ts';

const tasks = {
  read: { ...signReports, containers: ['agent'] },
  help: { ...signReports, containers: ['helper'] },
};

const EXPECTED: Record<string, RegExp> = {
  ...EXPECTED_ISOLATION,
  'list listeners': /^9471, 9472, 9473$/,
  ...EXPECTED_GATEWAY_OUTCOMES,
};

const MINUTE = 60_000;

describe('a hostile consumer at the gateway', () => {
  const agent: PodRef = { namespace: '', pod: 'hostile-caller', container: 'agent' };
  const helper: PodRef = { ...agent, container: 'helper' };
  const outcomes: Record<string, string> = {};

  beforeAll(async () => {
    agent.namespace = helper.namespace = await createNamespace('gateway');
    const script = await bundleAttacker();
    await runPod({ ...agent, name: agent.pod, containers: ['agent', 'helper'], tasks });
    await Promise.all([expectRead(agent), expectRead(helper)]);
    const { AccessKeyId } = await readRunKeys(helper);
    Object.assign(outcomes, await runAttacker(script, agent, ['reach']));
    Object.assign(outcomes, await runAttacker(script, agent, ['gateway', AccessKeyId]));
  }, 5 * MINUTE);

  afterAll(() => console.log(JSON.stringify(outcomes, undefined, 1)));

  it('makes every attempt that has an expected outcome', () => {
    expect(Object.keys(outcomes).sort()).toEqual(Object.keys(EXPECTED).sort());
  });

  it.each(Object.keys(EXPECTED))('%s', (attempt) => {
    expect(outcomes[attempt]).toMatch(EXPECTED[attempt] ?? /^$/);
  });

  it('does not make the sidecar restart, and its neighbor is served', async () => {
    expect((await readSidecarStatus(agent)).restartCount).toBe(0);
    await expectRead(helper);
  });
});
