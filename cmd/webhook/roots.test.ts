import { describe, expect, test } from '@jest/globals';

import { createAuthority } from '../../lib/certificate/authority.ts';
import type { StoredConfigMap } from '../../lib/edge/kubernetes/config-maps.ts';
import { watchRoots } from './roots.ts';

const open = () => {
  const told: string[] = [];
  const warned: unknown[] = [];
  let tell: (state: StoredConfigMap | undefined) => void = () => undefined;
  let stopped = false;
  const quiet = (): void => undefined;
  const stop = watchRoots({
    watch: ({ onState }) => {
      tell = onState;
      return () => (stopped = true);
    },
    log: { debug: quiet, info: quiet, warn: (_, fields) => void warned.push(fields), error: quiet },
    random: () => 0.5,
    onRoots: (roots) => void told.push(roots),
  });
  const hold = (data: Record<string, string>) =>
    tell({ resourceVersion: '1', data, annotations: {} });
  return { told, warned, hold, gone: () => tell(undefined), stop, isStopped: () => stopped };
};

const root = async (): Promise<string> =>
  (await createAuthority({ now: Date.now(), lifetimeMs: 3_600_000 })).certificate;

describe('roots', () => {
  test('are told of as they stand, each time that they change', async () => {
    const { told, hold } = open();
    const [current, next] = [await root(), await root()];
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
    const { told, warned, hold, gone } = open();
    if (data === undefined) gone();
    else hold(data);
    expect(told).toEqual([]);
    expect(JSON.stringify(warned)).toContain('valetkey-authority-roots roots.pem: expected PEM');
  });

  test('are watched until stopped', () => {
    const { stop, isStopped } = open();
    stop();
    expect(isStopped()).toBe(true);
  });
});
