import { describe, expect, it } from '@jest/globals';

import { createReleaseSeals } from './release-seal.ts';

const SECRET = Buffer.alloc(32, 7);
const RELEASE = {
  upstream: 'model-api',
  task: 'chat',
  server: 'https://vault.example',
  revocation: 'hvs.0123456789abcdef',
};

describe('createReleaseSeals', () => {
  const { seal, open } = createReleaseSeals(SECRET);
  const sealed = seal('run-1', RELEASE);

  it('opens at another replica with the same key what one sealed for the run', () => {
    expect(createReleaseSeals(SECRET).open('run-1', sealed)).toEqual(RELEASE);
  });

  it('hides the token, also from who knows the run, and repeats no text', () => {
    const bytes = Buffer.from(sealed.split('.')[1] ?? '', 'base64url').toString('latin1');
    expect(sealed + bytes).not.toContain('hvs.');
    expect(bytes).not.toContain('vault.example');
    expect(seal('run-1', RELEASE)).not.toBe(sealed);
  });

  it.each([
    ['another run', 'run-2', sealed],
    ['another Upstream', 'run-1', sealed.replace('model-api', 'other-api')],
    ['a changed byte', 'run-1', sealed.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A'))],
    ['a cut text', 'run-1', sealed.slice(0, -8)],
    ['a text without a tag', 'run-1', 'model-api.AAAA'],
    ['no form of a seal', 'run-1', 'x y'],
    ['nothing', 'run-1', ''],
  ])('opens nothing for %s', (_what, run, text) => {
    expect(open(run, text)).toBeUndefined();
  });

  it('opens one text of each release, and none that differs in unused bits of its last character', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const opened = ['a', 'ab', 'abc'].flatMap((task) => {
      const text = seal('run-1', { ...RELEASE, task });
      const texts = Array.from(alphabet, (last) => text.slice(0, -1) + last);
      return texts.filter((each) => open('run-1', each) !== undefined && each !== text);
    });
    expect(opened).toEqual([]);
  });

  it('opens nothing that another key sealed', () => {
    expect(createReleaseSeals(Buffer.alloc(32, 8)).open('run-1', sealed)).toBeUndefined();
  });
});
