import { describe, expect, it } from '@jest/globals';

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
    onTrustBundle: (trustBundle) => void received.push(trustBundle),
  });
  const setData = (data: Record<string, string>) =>
    sendState({ resourceVersion: '1', data, annotations: {} });
  return {
    reported: received,
    warned,
    hold: setData,
    gone: () => sendState(undefined),
    stop,
    isStopped: () => stopped,
  };
};

const createRoot = async (): Promise<string> =>
  (await createCertificateAuthority({ now: Date.now(), lifetimeMs: 3_600_000 })).certificate;

describe('watchTrustBundle', () => {
  it('reports the trust bundle at each change', async () => {
    const { reported, hold } = startTestWatch();
    const [current, next] = [await createRoot(), await createRoot()];
    hold({ 'roots.pem': `${current}${next}` });
    hold({ 'roots.pem': next });
    expect(reported).toEqual([`${current}${next}`, next]);
  });

  it.each([
    ['gone', undefined],
    ['without their key', {}],
    ['no certificates', { 'roots.pem': 'nothing' }],
    ['empty', { 'roots.pem': '' }],
  ])('ignores a bundle that is %s and logs it', (_, data) => {
    const { reported, warned, hold, gone } = startTestWatch();
    if (data === undefined) gone();
    else hold(data);
    expect(reported).toEqual([]);
    expect(JSON.stringify(warned)).toContain('valetkey-authority-roots roots.pem: expected PEM');
  });

  it('watches until it is stopped', () => {
    const { stop, isStopped } = startTestWatch();
    stop();
    expect(isStopped()).toBe(true);
  });
});
