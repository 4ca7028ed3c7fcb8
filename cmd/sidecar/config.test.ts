import { afterEach, describe, expect, test } from '@jest/globals';

import { task } from '../../lib/credentials/fixtures/exchange.ts';
import { describeFault } from '../../lib/reading/fault.ts';
import { HELP, readSidecarConfig } from './config.ts';
import { podFolder } from './fixtures/running.ts';

const removing: (() => void)[] = [];
afterEach(() => {
  for (const remove of removing.splice(0)) remove();
});

const environment = (overrides: Record<string, string> = {}) => {
  const pod = podFolder([task()]);
  removing.push(pod.remove);
  return { ...pod.environment, ...overrides };
};

const faultsOf = (given: Record<string, string>): string[] => {
  const result = readSidecarConfig(given);
  return result.ok ? [] : result.faults.map(describeFault);
};

describe("the sidecar's settings", () => {
  test('are read typed, defaults filled in', () => {
    expect(readSidecarConfig(environment())).toMatchObject({
      ok: true,
      value: {
        admitted: { consumers: ['agent'], tasks: [task()] },
        cloud: { region: 'eu-central-1', allowHttp: false, dialect: 'aws', bind: { mode: 'none' } },
        loopback: { host: '127.0.0.1', port: 0 },
        telemetry: { host: '127.0.0.1', port: 0 },
        podName: 'agent-0',
      },
    });
  });

  const refused: [string, Record<string, string>, string][] = [
    ['no tasks', { VALETKEY_TASKS: '' }, 'VALETKEY_TASKS'],
    [
      'an empty list of tasks',
      { VALETKEY_TASKS: '{"consumers":["a"],"tasks":[]}' },
      'VALETKEY_TASKS',
    ],
    ['tasks that are no JSON', { VALETKEY_TASKS: 'x' }, 'VALETKEY_TASKS'],
    [
      'a token file that cannot be read',
      { VALETKEY_TOKEN_FILE: '/nowhere' },
      'VALETKEY_TOKEN_FILE',
    ],
    [
      'a loopback that is none',
      { VALETKEY_LOOPBACK_LISTEN: '0.0.0.0:1' },
      'VALETKEY_LOOPBACK_LISTEN',
    ],
    ['a cloud without region', { VALETKEY_CLOUD: '{}' }, 'cloud.region'],
    ['an unknown member of the cloud', { VALETKEY_CLOUD: '{"region":"x","x":1}' }, 'cloud.x'],
    [
      'an STS without encryption',
      { VALETKEY_CLOUD: '{"region":"x","stsEndpoint":"http://sts:1"}' },
      'allowHttp',
    ],
    ['a trust that there is not', { VALETKEY_TRUST: 'nobody' }, 'VALETKEY_TRUST'],
    ['a misspelt name', { VALETKEY_TASK: 'x' }, 'VALETKEY_TASK'],
    ['NODE_OPTIONS', { NODE_OPTIONS: '--inspect' }, 'NODE_OPTIONS'],
    ['LD_PRELOAD', { LD_PRELOAD: '/x.so' }, 'LD_PRELOAD'],
    ['SSLKEYLOGFILE', { SSLKEYLOGFILE: '/x' }, 'SSLKEYLOGFILE'],
  ];
  test.each(refused)('%s is refused by name', (_, overrides, named) => {
    expect(faultsOf(environment(overrides)).join('\n')).toContain(named);
  });

  test('are refused all at once', () => {
    const faults = faultsOf({ NODE_OPTIONS: 'x' }).join('\n');
    for (const name of ['NODE_OPTIONS', 'VALETKEY_TASKS', 'VALETKEY_CLOUD', 'VALETKEY_POD_NAME']) {
      expect(faults).toContain(name);
    }
  });

  test('are all explained by --help', () => {
    for (const name of Object.keys(environment())) expect(HELP).toContain(name);
  });
});
