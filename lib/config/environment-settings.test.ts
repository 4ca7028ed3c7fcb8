import { describe, expect, it } from '@jest/globals';

import { formatFieldError } from '../schema/field-error.ts';
import { stringEnum, read, string } from '../schema/reader.ts';
import { listenAddress } from './addresses.ts';
import { durationSeconds } from './durations.ts';
import { formatSettingsHelp, readSettings } from './environment-settings.ts';

const TABLE = {
  name: { name: 'VALETKEY_NAME', help: 'a name', reader: string() },
  mode: {
    name: 'VALETKEY_MODE',
    help: 'a mode',
    reader: stringEnum(['fast', 'slow']),
    otherwise: 'slow',
  },
  listen: {
    name: 'VALETKEY_LISTEN',
    help: 'an address',
    reader: listenAddress,
    otherwise: ':9443',
  },
} as const;

const listSettingErrors = (environment: Record<string, string>): readonly string[] => {
  const result = readSettings(TABLE, environment);
  return result.ok ? [] : result.faults.map(formatFieldError);
};

describe('readSettings', () => {
  it('returns typed values and defaults for missing and empty variables', () => {
    expect(readSettings(TABLE, { VALETKEY_NAME: 'x', VALETKEY_MODE: '' })).toEqual({
      ok: true,
      value: { name: 'x', mode: 'slow', listen: { host: '', port: 9443 } },
    });
  });

  it('returns all errors at once, each with its variable', () => {
    const faults = listSettingErrors({ VALETKEY_MODE: 'swift', VALETKEY_LISTEN: 'x' });
    expect(faults.map((fault) => fault.split(':')[0])).toEqual([
      'VALETKEY_NAME',
      'VALETKEY_MODE',
      'VALETKEY_LISTEN',
    ]);
  });

  it('rejects unknown VALETKEY_ variables except those of a Service', () => {
    expect(listSettingErrors({ VALETKEY_NAME: 'x', VALETKEY_MOED: 'fast' })).toEqual([
      'VALETKEY_MOED: expected a setting of this program, got an unknown name',
    ]);
    expect(
      listSettingErrors({
        VALETKEY_NAME: 'x',
        VALETKEY_WEBHOOK_SERVICE_HOST: '10.0.0.1',
        VALETKEY_WEBHOOK_SERVICE_PORT: '443',
        VALETKEY_WEBHOOK_SERVICE_PORT_HTTPS: '443',
        VALETKEY_WEBHOOK_PORT: 'tcp://10.0.0.1:443',
        VALETKEY_WEBHOOK_PORT_443_TCP_ADDR: '10.0.0.1',
        PATH: '/bin',
      }),
    ).toEqual([]);
  });

  it('formats each setting with its default for --help', () => {
    expect(formatSettingsHelp(TABLE).split('\n')).toEqual([
      '  VALETKEY_NAME    a name (required)',
      '  VALETKEY_MODE    a mode (default: slow)',
      '  VALETKEY_LISTEN  an address (default: :9443)',
    ]);
  });
});

describe('listenAddress', () => {
  const good: [string, { host: string; port: number }][] = [
    [':9443', { host: '', port: 9443 }],
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['[::1]:443', { host: '::1', port: 443 }],
    ['localhost:65535', { host: 'localhost', port: 65_535 }],
  ];
  it.each(good)('%s is one', (text, address) => {
    expect(read(listenAddress, text)).toEqual({ ok: true, value: address });
  });
  it.each(['9443', ':65536', '::1:443', ':', 'a b:1', 'https://x:1'])('%s is none', (text) => {
    expect(read(listenAddress, text).ok).toBe(false);
  });
});

describe('a duration', () => {
  const reader = durationSeconds({ min: 5, max: 604_800 });
  const good: [string, number][] = [
    ['5s', 5],
    ['10m', 600],
    ['1h', 3600],
    ['7d', 604_800],
  ];
  it.each(good)('%s is %i seconds', (text, seconds) => {
    expect(read(reader, text)).toEqual({ ok: true, value: seconds });
  });
  it.each(['4s', '8d', '1', 'm', '1.5h', '1h30m', '-1m', ''])('%s is none', (text) => {
    expect(read(reader, text).ok).toBe(false);
  });
});
