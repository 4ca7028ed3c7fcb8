import { Agent, request } from 'node:http';
import { text as readText } from 'node:stream/consumers';

import { computeMedian } from '../test/kit/statistics.ts';
import type { Bench } from './bench.ts';
import { toRow, type Row } from './rows.ts';

const CALLS = 500;

export type Target = {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
};

export type CallPlan = {
  readonly name: string;
  readonly gateway: Target;
  readonly direct: Target;
  readonly body: string;
  /** Whether an answer of status 200 is the one that is measured. */
  readonly isExpected: (text: string) => boolean;
  /** How much later an answer may come through the gateway. */
  readonly goalMs: number;
};

/**
 * Measures how much later answers come through the gateway: calls one after the other, beside the same calls
 * to the server itself.
 */
export async function measureCallLatency(bench: Bench, plan: CallPlan): Promise<Row[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const measured = { gateway: [] as number[], direct: [] as number[] };
  try {
    for (let repeat = 0; repeat <= bench.repeats; repeat += 1) {
      for (const side of ['gateway', 'direct'] as const) {
        const p50 = await measureCalls(agent, plan[side], plan);
        // The first round is for the compiler.
        if (repeat > 0) measured[side].push(p50);
      }
    }
  } finally {
    agent.destroy();
  }
  const { gateway, direct } = measured;
  return [
    toRow({ name: `${plan.name}, p50`, unit: 'ms', values: gateway, baselines: direct }),
    toRow({
      name: `${plan.name}, added p50`,
      unit: 'ms',
      values: gateway.map((value, index) => value - (direct[index] ?? NaN)),
      goal: { of: 'value', must: 'be at most', number: plan.goalMs },
    }),
  ];
}

async function measureCalls(agent: Agent, target: Target, plan: CallPlan): Promise<number> {
  const times: number[] = [];
  for (let call = 0; call < CALLS; call += 1) {
    const startedAt = performance.now();
    await sendCall(agent, target, plan);
    times.push(performance.now() - startedAt);
  }
  return computeMedian(times);
}

const sendCall = (
  agent: Agent,
  { url, headers }: Target,
  { body, isExpected }: CallPlan,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent, headers }, (answer) => {
      readText(answer).then((text) => {
        if (answer.statusCode === 200 && isExpected(text)) resolve();
        else reject(new Error(`${url}: expected the answer, got ${text.slice(0, 200)}`));
      }, reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
