import { connect } from 'node:tls';

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { splitBundle } from '../../lib/certificate/trust-bundle.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import {
  HOST,
  buildLivePod,
  PATHS,
  startAuthorityHarness,
  type Replica,
  type AuthorityHarness,
} from './fixtures/authority-harness.ts';

jest.setTimeout(60_000);

let harness: AuthorityHarness;
beforeEach(async () => {
  harness = await startAuthorityHarness();
});
afterEach(() => harness.close());

const readTrustBundleData = (): Readonly<Record<string, string>> =>
  (harness.api.get(PATHS.trustBundle)?.['data'] ?? {}) as Record<string, string>;

const readTrustBundle = (): readonly string[] =>
  splitBundle(readTrustBundleData()['ca-bundle.pem'] ?? '');

const rotate = (): void => {
  const secret = harness.api.get(PATHS.caSecret) ?? { metadata: {} };
  const annotations = { 'valetkey.dev/rotate': 'monday' };
  harness.api.put(PATHS.caSecret, { ...secret, metadata: { ...secret.metadata, annotations } });
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

const readMetric = async (replica: Replica, name: string): Promise<string | undefined> => {
  const { text } = await replica.telemetry('/metrics');
  return new RegExp(`^valetkey_authority_${name} (.*)$`, 'm').exec(text)?.[1];
};

describe('the trust bundle', () => {
  it('contains the current and the next CA, and the current one signs the served certificate', async () => {
    const replica = await harness.start();
    await replica.waitUntilReady();
    const [current = '', next = ''] = readTrustBundle();
    expect(readTrustBundle()).toHaveLength(2);
    expect(await isServed(replica, current)).toBe(true);
    expect(await isServed(replica, next)).toBe(false);
  });

  it('is published for Gateways too, and again if an earlier version published it without', async () => {
    const replica = await harness.start();
    await replica.waitUntilReady();
    const { 'ca-bundle.pem': bundle = '', ...others } = readTrustBundleData();
    expect(others).toEqual({ 'ca.crt': bundle });
    const published = harness.api.get(PATHS.trustBundle) ?? { metadata: {} };
    harness.api.put(PATHS.trustBundle, { ...published, data: { 'ca-bundle.pem': bundle } });
    harness.advanceClock(100_000);
    await waitUntil(() => (readTrustBundleData()['ca.crt'] === bundle ? true : undefined));
  });

  it('does not rotate while a running pod does not trust the next CA', async () => {
    const replica = await harness.start();
    await replica.waitUntilReady();
    const [current = ''] = readTrustBundle();
    expect(await readMetric(replica, 'trust_bundles_missing_next_ca')).toBe('1');
    rotate();
    harness.advanceClock(100_000);
    const rounds = () =>
      harness.api.requests.filter((one) => one === `GET ${PATHS.caSecret}`).length;
    const before = rounds();
    await waitUntil(() => (rounds() > before + 5 ? true : undefined));
    expect(await isServed(replica, current)).toBe(true);

    harness.api.remove(PATHS.pod);
    harness.advanceClock(140_000);
    await waitUntil(async () =>
      (await readMetric(replica, 'trust_bundles_missing_next_ca')) === '0' ? true : undefined,
    );
    // Not before the start of the leaf certificate's validity, which is checked by the real clock.
    harness.advanceClock(210_000);
    await waitUntil(async () => ((await isServed(replica, current)) ? undefined : true));
    expect(readTrustBundle()).toHaveLength(3);
    expect(await isServed(replica, readTrustBundle()[0] ?? '')).toBe(true);
  });

  it('ignores pods that have ended, or that were not injected', async () => {
    const { spec, metadata } = buildLivePod();
    harness.api.put(PATHS.pod, { metadata, spec, status: { phase: 'Succeeded' } });
    const stranger = `${PATHS.pod}-2`;
    const containers = (spec?.initContainers ?? []).map((container) => ({
      ...container,
      env: (container.env ?? []).map((one) =>
        one.name === 'VALETKEY_INJECTION_TEMPLATE' ? { ...one, value: 'ab'.repeat(32) } : one,
      ),
    }));
    const other = { ...spec, initContainers: containers };
    harness.api.put(stranger, { metadata: { ...metadata, name: 'agent-2' }, spec: other });
    const replica = await harness.start();
    await replica.waitUntilReady();
    expect(await readMetric(replica, 'trust_bundles_missing_next_ca')).toBe('0');
  });
});
