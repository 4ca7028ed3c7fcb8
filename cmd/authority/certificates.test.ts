import { connect } from 'node:tls';

import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';

import { splitBundle } from '../../lib/certificate/bundle.ts';
import {
  HOST,
  livePod,
  PATHS,
  startStage,
  until,
  type Replica,
  type Stage,
} from './fixtures/stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeEach(async () => {
  stage = await startStage();
});
afterEach(() => stage.close());

const roots = (): readonly string[] => {
  const data = stage.api.get(PATHS.roots)?.['data'] as Record<string, string> | undefined;
  return splitBundle(data?.['roots.pem'] ?? '');
};

const rotate = (): void => {
  const secret = stage.api.get(PATHS.caSecret) ?? { metadata: {} };
  const annotations = { 'valetkey.dev/rotate': 'monday' };
  stage.api.put(PATHS.caSecret, { ...secret, metadata: { ...secret.metadata, annotations } });
};

const isServed = (replica: Replica, ca: string): Promise<boolean> =>
  new Promise((resolve) => {
    const port = replica.authority.ports().https;
    const socket = connect({ host: '127.0.0.1', port, ca, servername: HOST }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

const metric = async (replica: Replica, name: string): Promise<string | undefined> => {
  const { text } = await replica.telemetry('/metrics');
  return new RegExp(`^valetkey_authority_${name} (.*)$`, 'm').exec(text)?.[1];
};

describe('the roots', () => {
  test('are published, the current and the next, and the current one vouches for each name', async () => {
    const replica = await stage.start();
    await replica.ready();
    const [current = '', next = ''] = roots();
    expect(roots()).toHaveLength(2);
    expect(await isServed(replica, current)).toBe(true);
    expect(await isServed(replica, next)).toBe(false);
  });

  test('do not change for as long as a live pod does not know the next one', async () => {
    const replica = await stage.start();
    await replica.ready();
    const [current = ''] = roots();
    expect(await metric(replica, 'live_roots_lacking_next')).toBe('1');
    rotate();
    stage.ahead(100_000);
    const rounds = () => stage.api.requests.filter((one) => one === `GET ${PATHS.caSecret}`).length;
    const before = rounds();
    await until(() => (rounds() > before + 5 ? true : undefined));
    expect(await isServed(replica, current)).toBe(true);

    stage.api.remove(PATHS.pod);
    stage.ahead(140_000);
    await until(async () =>
      (await metric(replica, 'live_roots_lacking_next')) === '0' ? true : undefined,
    );
    // No further than leaves are dated back: this machine's own clock judges them.
    stage.ahead(210_000);
    await until(async () => ((await isServed(replica, current)) ? undefined : true));
    expect(roots()).toHaveLength(3);
    expect(await isServed(replica, roots()[0] ?? '')).toBe(true);
  });

  test('wait for no pod that has ended, nor for one that nobody injected', async () => {
    const { spec, metadata } = livePod();
    stage.api.put(PATHS.pod, { metadata, spec, status: { phase: 'Succeeded' } });
    const stranger = `${PATHS.pod}-2`;
    const containers = (spec?.initContainers ?? []).map((container) => ({
      ...container,
      env: (container.env ?? []).map((one) =>
        one.name === 'VALETKEY_PROFILE' ? { ...one, value: 'ab'.repeat(32) } : one,
      ),
    }));
    const other = { ...spec, initContainers: containers };
    stage.api.put(stranger, { metadata: { ...metadata, name: 'agent-2' }, spec: other });
    const replica = await stage.start();
    await replica.ready();
    expect(await metric(replica, 'live_roots_lacking_next')).toBe('0');
  });
});
