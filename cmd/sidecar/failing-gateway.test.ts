import { expect, it } from '@jest/globals';

import { buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import { createRefusalMemory } from '../../lib/runs/refusal-memory.ts';
import { readSidecarConfig } from './config.ts';
import { createPodFolder } from './fixtures/test-sidecar.ts';
import { createPodKeys, startGateway } from './gateway.ts';
import { clock } from './system-clock.ts';

it('closes the connection of a call whose journal fails, before and after the handler is loaded', async () => {
  const allow = [{ actions: ['http:GET'], resources: ['https://api.example.com/*'] }];
  const task = buildTask({ provider: 'http', role: 'api', delivery: 'sign', allow });
  const { environment, remove } = createPodFolder([task]);
  const limits = { maxBodyBytes: 1_048_576, bufferBytes: 1_048_576 };
  const access = { region: 'eu-central-1', dialect: 'aws', ...limits };
  const config = readSidecarConfig({ ...environment, VALETKEY_GATEWAY: JSON.stringify(access) });
  if (!config.ok) throw new Error(JSON.stringify(config.faults));
  const localKeys = createPodKeys(config.value);
  if (config.value.gateway === undefined || localKeys === undefined) throw new Error('no gateway');
  const lines: unknown[] = [];
  const line = (...logged: unknown[]): void => void lines.push(logged);
  const gateway = await startGateway({
    access: config.value.gateway,
    localKeys,
    runs: { resolve: () => Promise.reject(new Error('no run')), end: () => undefined },
    journal: {
      record: () => {
        throw new RangeError('a secret');
      },
      isBlocked: () => false,
    },
    metrics: { callEnded: () => undefined, peerChecked: () => undefined },
    fixedKeyAnswers: new Map(),
    refusals: createRefusalMemory({ canPropose: false }),
    clock,
    schedule: () => () => undefined,
    tokens: new Map(),
    config: config.value,
    log: { debug: line, info: line, warn: line, error: line },
  });
  for (const path of ['/t/first', '/t/second']) {
    // The refusal may be complete before the journal fails: the connection then closes after it.
    await fetch(`http://127.0.0.1:${gateway.port}${path}/x`).then(
      (response) => response.text(),
      () => undefined,
    );
  }
  await gateway.stop();
  remove();
  const failed = ['gateway failed', { error: 'RangeError' }];
  expect(lines).toEqual([failed, failed]);
});
