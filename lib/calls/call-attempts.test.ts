import { describe, expect, it } from '@jest/globals';

import { createCallAttempts } from './call-attempts.ts';

const create = () => {
  let at = 0;
  let count = 0;
  const attempts = createCallAttempts({ now: () => at, createId: () => `id-${(count += 1)}` });
  return { ...attempts, advance: (ms: number) => (at += ms) };
};

const SENT = { isSent: true, isAnswered: false };

describe('createCallAttempts', () => {
  it('lets a try that got no answer be repeated under its name, once', () => {
    const { begin } = create();
    const first = begin('call');
    first.end(SENT);
    const second = begin('call');
    expect(second.name).toBe(first.name);
    second.end(SENT);
    expect(begin('call').name).not.toBe(first.name);
  });

  it('gives a try after an answer another name', () => {
    const { begin } = create();
    const first = begin('call');
    first.end({ isSent: true, isAnswered: true });
    expect(begin('call').name).not.toBe(first.name);
  });

  it('gives tries at the same time different names, and keeps the first one', () => {
    const { begin } = create();
    const [first, second] = [begin('call'), begin('call')];
    expect(second.name).not.toBe(first.name);
    second.end(SENT);
    first.end(SENT);
    expect(begin('call').name).toBe(first.name);
  });

  it('does not count tries that were never sent', () => {
    const { begin } = create();
    const names = [1, 2, 3].map(() => {
      const attempt = begin('call');
      attempt.end({ isSent: false, isAnswered: false });
      return attempt.name;
    });
    expect(new Set(names).size).toBe(1);
  });

  it('forgets a try after a minute, and knows none without a key', () => {
    const { begin, advance } = create();
    const first = begin('call');
    first.end(SENT);
    advance(60_000);
    expect(begin('call').name).not.toBe(first.name);
    const nameless = begin(undefined);
    nameless.end(SENT);
    expect(begin(undefined).name).not.toBe(nameless.name);
  });
});
