import { describe, expect, test } from '@jest/globals';

import { createCertificateAuthority } from '../../lib/certificate/certificate-authority.ts';
import type { StoredConfigMap } from '../../lib/edge/kubernetes/config-maps.ts';
import { watchTrustBundle } from './trust-bundle-watch.ts';

const startTestWatch = () => {
  const received: string[] = [];
  const warned: unknown[] = [];
  let sendState: (state: StoredConfigMap | undefined) => void = () => undefined;
  let stopped = false;
  const quiet = (): void => undefined;
  const stop = watchTrustBundle({
    watch: ({ onState }) => {
      sendState = onState;
      return () => (stopped = true);
    },
    log: { debug: quiet, info: quiet, warn: (_, fields) => void warned.push(fields), error: quiet },
    random: () => 0.5,
    onTrustBundle: (roots) => void received.push(roots),
  });
  const setData = (data: Record<string, string>) =>
    sendState({ resourceVersion: '1', data, annotations: {} });
  return {
    told: received,
    warned,
    hold: setData,
    gone: () => sendState(undefined),
    stop,
    isStopped: () => stopped,
  };
};

const createRoot = async (): Promise<string> =>
  (await createCertificateAuthority({ now: Date.now(), lifetimeMs: 3_600_000 })).certificate;

describe('roots', () => {
  test('are told of as they stand, each time that they change', async () => {
    const { told, hold } = startTestWatch();
    const [current, next] = [await createRoot(), await createRoot()];
    hold({ 'roots.pem': `${current}${next}` });
    hold({ 'roots.pem': next });
    expect(told).toEqual([`${current}${next}`, next]);
  });

  test.each([
    ['gone', undefined],
    ['without their key', {}],
    ['no certificates', { 'roots.pem': 'nothing' }],
    ['empty', { 'roots.pem': '' }],
  ])('that are %s change nothing, and are told of in the log', (_, data) => {
    const { told, warned, hold, gone } = startTestWatch();
    if (data === undefined) gone();
    else hold(data);
    expect(told).toEqual([]);
    expect(JSON.stringify(warned)).toContain('valetkey-authority-roots roots.pem: expected PEM');
  });

  test('are watched until stopped', () => {
    const { stop, isStopped } = startTestWatch();
    stop();
    expect(isStopped()).toBe(true);
  });
});
