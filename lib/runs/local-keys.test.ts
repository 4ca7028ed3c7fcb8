import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { createLocalKeys } from './local-keys.ts';

const agentSeed = randomBytes(32);
const seeds = new Map([
  ['agent', agentSeed],
  ['helper', randomBytes(32)],
]);
const summarize = { consumer: 'agent', task: 'summarize' };
const tasks = [summarize, { consumer: 'helper', task: 'summarize' }];

const create = () => createLocalKeys({ seeds, tasks, randomBytes });

describe('createLocalKeys', () => {
  it('gives a task without params keys in the form of AWS keys, and finds their owner', () => {
    const localKeys = create();
    const keys = localKeys.forTask(summarize);
    expect(keys.accessKeyId).toMatch(/^VALETKEY[A-Z2-7]{16}$/);
    expect(keys.secretAccessKey).toMatch(/^[\w-]{43}$/);
    expect(keys.sessionToken).toMatch(/^[\w-]{43}$/);
    expect(localKeys.find(keys.accessKeyId)).toEqual({ keys, owner: summarize });
  });

  it('gives the same keys after a restart, and others to another consumer, task or seed', () => {
    const keys = create().forTask(summarize);
    expect(create().forTask(summarize)).toEqual(keys);
    const others = [
      create().forTask({ consumer: 'helper', task: 'summarize' }),
      create().forTask({ consumer: 'agent', task: 'ummarize' }),
      createLocalKeys({
        seeds: new Map([['agent', randomBytes(32)]]),
        tasks: [],
        randomBytes,
      }).forTask(summarize),
    ];
    for (const other of others) {
      expect(other.accessKeyId).not.toBe(keys.accessKeyId);
      expect(other.secretAccessKey).not.toBe(keys.secretAccessKey);
      expect(other.sessionToken).not.toBe(keys.sessionToken);
    }
  });

  it('does not confuse owners whose names join to the same text', () => {
    const seed = new Map([
      ['a', agentSeed],
      ['ab', agentSeed],
    ]);
    const localKeys = createLocalKeys({ seeds: seed, tasks: [], randomBytes });
    expect(localKeys.forTask({ consumer: 'a', task: 'bc' })).not.toEqual(
      localKeys.forTask({ consumer: 'ab', task: 'c' }),
    );
  });

  it('gives each run with params keys of its own, and erases them at its end', () => {
    const localKeys = create();
    const owner = { ...summarize, run: 'run-1' };
    const keys = localKeys.createForRun(owner);
    const other = localKeys.createForRun({ ...summarize, run: 'run-2' });
    expect(keys).not.toEqual(other);
    expect(localKeys.find(keys.accessKeyId)).toEqual({ keys, owner });
    localKeys.erase('run-1');
    expect(localKeys.find(keys.accessKeyId)).toBeUndefined();
    expect(localKeys.find(other.accessKeyId)).toBeDefined();
    localKeys.erase('run-1');
  });

  it.each([
    ['no seed', new Map<string, Uint8Array>(), 'got none'],
    ['a short seed', new Map([['agent', randomBytes(16)]]), 'got 16'],
  ])('throws for %s', (_, given, message) => {
    expect(() => createLocalKeys({ seeds: given, tasks: [summarize], randomBytes })).toThrow(
      `consumer agent: expected a seed of 32 bytes, ${message}`,
    );
  });

  it('finds nothing by an ID that was not issued', () => {
    expect(create().find('VALETKEYAAAAAAAAAAAAAAAA')).toBeUndefined();
  });
});
