import { describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../test/kit/retry.ts';
import {
  findRecoverySeconds,
  startLoad,
  summarizeLoad,
  type LoadAnswer,
} from './credential-load.ts';

const served = (changes: Partial<LoadAnswer> = {}): LoadAnswer => ({
  startedAt: 1_000,
  sentAt: 1_000,
  endedAt: 1_010,
  attempts: 1,
  firstStatus: 200,
  status: 200,
  expiresAt: 9_000,
  ...changes,
});

describe('summarizeLoad', () => {
  it('counts a request that was repeated with success as refused, not as lost', () => {
    const repeated = served({ firstStatus: 0, attempts: 3, endedAt: 3_010 });
    expect(summarizeLoad([served(), repeated])).toEqual({
      requests: 2,
      refused: 1,
      lost: 0,
      servedAfterEnd: 0,
      longestGapSeconds: 2,
    });
  });

  it('counts a request that never got credentials as lost', () => {
    const answers = [served({ firstStatus: 503, status: 503 })];
    expect(summarizeLoad(answers)).toMatchObject({ refused: 1, lost: 1 });
  });

  it('counts credentials that ended before the request, or have no end', () => {
    const answers = [served({ expiresAt: 999 }), served({ expiresAt: NaN }), served()];
    expect(summarizeLoad(answers).servedAfterEnd).toBe(2);
  });

  it('counts credentials that ended before the attempt that got them', () => {
    const answers = [served({ sentAt: 9_000 }), served({ sentAt: 8_999 })];
    expect(summarizeLoad(answers).servedAfterEnd).toBe(1);
  });
});

describe('findRecoverySeconds', () => {
  it('returns the time until the first success of what was sent after a moment', () => {
    const answers = [
      served({ endedAt: 2_010 }),
      served({ sentAt: 2_500, endedAt: 4_000 }),
      served({ sentAt: 2_900, endedAt: 3_000 }),
    ];
    expect(findRecoverySeconds(answers, 2_000)).toBe(1);
  });

  it('returns Infinity if there was none', () => {
    expect(findRecoverySeconds([served()], 2_000)).toBe(Infinity);
  });
});

describe('startLoad', () => {
  it('repeats what fails, and numbers the attempts of each request', async () => {
    const sent: string[] = [];
    const load = startLoad(
      ({ request, attempt }) => {
        sent.push(`${request}-${attempt}`);
        return Promise.resolve(
          attempt === 1
            ? { status: 200, retryAfterMs: undefined }
            : { status: 503, retryAfterMs: 0 },
        );
      },
      { perSecond: 1_000 },
    );
    await waitUntil(() => load.answers().length > 1);
    const [first] = await load.stop();
    expect(first).toMatchObject({ attempts: 2, firstStatus: 503, status: 200 });
    expect(sent).toEqual(expect.arrayContaining(['0-0', '0-1', '1-0', '1-1']));
  });

  it('gives a request up after the time that it is repeated, with the code of the refusal', async () => {
    const refused = { status: 403, retryAfterMs: undefined, code: 'run_revoked' };
    const load = startLoad(() => Promise.resolve(refused), { perSecond: 1_000, repeatMs: 0 });
    await waitUntil(() => load.answers().length > 0);
    const [first] = await load.stop();
    expect(first).toMatchObject({ attempts: 1, status: 403, code: 'run_revoked' });
  });
});
