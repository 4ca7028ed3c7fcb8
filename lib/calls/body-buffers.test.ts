import { describe, expect, it } from '@jest/globals';
import { createFakeTime } from '../runs/fixtures/fake-time.ts';
import { createBodyBuffers } from './body-buffers.ts';

const MAX = 10;
const TOTAL = 40;

const create = () => {
  const time = createFakeTime();
  return { ...createBodyBuffers({ maxBodyBytes: MAX, bufferBytes: TOTAL }, time), time };
};

/** Takes memory that must be there. */
const take = async (buffers: ReturnType<typeof create>, consumer: string, bytes: number) => {
  const release = await buffers.reserve(consumer, bytes);
  if (release === undefined) throw new Error('expected memory');
  return release;
};

describe('createBodyBuffers', () => {
  it('gives one consumer all memory while it is alone, and refuses more after two seconds', async () => {
    const buffers = create();
    for (let index = 0; index < 4; index += 1) await take(buffers, 'agent', MAX);
    expect(buffers.getReservedBytes()).toBe(TOTAL);
    let result: unknown = 'waiting';
    void buffers.reserve('agent', 1).then((given) => (result = given));
    await buffers.time.advance(1_999);
    expect(result).toBe('waiting');
    await buffers.time.advance(1);
    expect(result).toBeUndefined();
  });

  it('gives memory that is freed to the body that waits for it', async () => {
    const buffers = create();
    const release = await take(buffers, 'agent', MAX);
    for (let index = 0; index < 3; index += 1) await take(buffers, 'agent', MAX);
    const waiting = take(buffers, 'agent', MAX);
    release();
    const next = await waiting;
    expect(buffers.getReservedBytes()).toBe(TOTAL);
    next();
    expect(buffers.getReservedBytes()).toBe(TOTAL - MAX);
    expect(buffers.time.timers()).toBe(0);
  });

  it('leaves half to the others as soon as there are others', async () => {
    const buffers = create();
    await take(buffers, 'helper', 1);
    await take(buffers, 'agent', MAX);
    await take(buffers, 'agent', MAX);
    const refused = buffers.reserve('agent', 1);
    await buffers.time.advance(2_000);
    expect(await refused).toBeUndefined();
    expect(await buffers.reserve('helper', MAX)).toBeDefined();
  });

  it('counts a consumer that waits as another one', async () => {
    const buffers = create();
    const releases = [];
    for (let index = 0; index < 4; index += 1) releases.push(await take(buffers, 'agent', MAX));
    const waiting = take(buffers, 'helper', MAX);
    const more = buffers.reserve('agent', MAX);
    releases[0]?.();
    await waiting;
    await buffers.time.advance(2_000);
    expect(await more).toBeUndefined();
  });
});
