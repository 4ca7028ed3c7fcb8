import { once } from 'node:events';
import { connect } from 'node:net';

import { expect, it } from '@jest/globals';

import { renderMessage, renderText } from '../../lib/postgres/messages.ts';
import { renderStartupPacket } from '../../lib/postgres/startup.ts';
import { buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import { createRefusalMemory } from '../../lib/runs/refusal-memory.ts';
import { readSidecarConfig } from './config.ts';
import { startDatabaseSessions } from './database-sessions.ts';
import { createPodFolder } from './fixtures/test-sidecar.ts';
import { clock } from './system-clock.ts';

it('closes a database session that an error of the gateway ends, and logs the error by name', async () => {
  const allow = [{ actions: ['postgres:connect'], resources: ['postgres://up/shop'] }];
  const task = buildTask({ provider: 'postgres', role: 'up/reader', delivery: 'sign', allow });
  const { environment, remove } = createPodFolder([task]);
  const config = readSidecarConfig({
    ...environment,
    VALETKEY_GATEWAY: JSON.stringify({
      ...{
        region: 'eu-central-1',
        dialect: 'aws',
        maxBodyBytes: 1_048_576,
        bufferBytes: 1_048_576,
      },
    }),
  });
  if (!config.ok) throw new Error(JSON.stringify(config.faults));
  const lines: unknown[] = [];
  const line = (...logged: unknown[]): void => void lines.push(logged);
  const sessions = await startDatabaseSessions({
    config: config.value,
    clock,
    runs: { resolve: () => Promise.reject(new Error('no run')), end: () => undefined },
    journal: { record: () => undefined, isBlocked: () => false },
    metrics: { callEnded: () => undefined },
    refusals: createRefusalMemory({ canPropose: false }),
    identifyClient: () => {
      throw new RangeError('a secret');
    },
    log: { debug: line, info: line, warn: line, error: line },
  });
  const client = connect(sessions.ports.get(task.name) ?? 0, '127.0.0.1').resume();
  client.write(renderStartupPacket(new Map(), { user: 'agent', database: 'shop' }));
  await once(client, 'data');
  client.write(renderMessage('p', renderText('token')));
  await once(client, 'close');
  await sessions.waitIdle();
  await sessions.stop();
  remove();
  expect(lines).toEqual([['database session failed', { error: 'RangeError' }]]);
});
