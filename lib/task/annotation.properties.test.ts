import { describe, expect, it } from '@jest/globals';
import { Lexer } from 'yaml';
import fc from '../../test/kit/fast-check.ts';
import { MAX_TASK_BYTES } from '../contract/task.ts';
import { parseAnnotation } from './annotation.ts';

/** Upper bound of the tokens that the parser reads: five for each indicator. */
const MAX_STEPS = 5 * 769;

const isOverLimit = (text: string): boolean =>
  parseAnnotation(text).faults.some(({ expected }) => expected.startsWith('at most'));

const countSteps = (text: string): number => [...new Lexer().lex(text)].length;

const syntax = fc.constantFrom(
  ...['a', 'b', ' ', '  ', '\n', ': ', ':', '- ', '-', '? ', ',', '[', ']', '{', '}', '"', "'"],
  ...['\\', '!', '&', '*', '#', '|', '>', '%', '@', '`', '...', '---', '\n ', 'a: b\n', '\n- a'],
);

describe('the time to parse an annotation', () => {
  it('is bounded for any text', () => {
    const text = fc.array(syntax, { maxLength: MAX_TASK_BYTES }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (given) => {
        expect(isOverLimit(given) || countSteps(given) <= MAX_STEPS).toBe(true);
      }),
    );
  });

  it.each([':\n', '?\n', ': ', 'a:\n', '! ', '#\n', '"', 'a: 1\n', '- '])(
    'is refused where %j fills it',
    (unit) => {
      const text = unit.repeat(MAX_TASK_BYTES / unit.length);
      expect(parseAnnotation(text)).toEqual({
        faults: [
          {
            path: '(root)',
            expected: expect.stringMatching(/^at most 768 YAML indicators/),
            got: expect.stringMatching(/^\d+$/),
          },
        ],
      });
    },
  );

  it('allows a realistic declaration of 4 KiB', () => {
    const actions = Array.from({ length: 60 }, (_, index) => `s3:GetObject${index}`).join(', ');
    const resources = Array.from({ length: 50 }, () => '"arn:aws:s3:::acme-data/r/{a}/*"').join(
      ', ',
    );
    const text = `role: x\nallow:\n  - actions: [${actions}]\n    resources: [${resources}]\n`;
    expect(text.length).toBeGreaterThan(2500);
    expect(parseAnnotation(text).faults).toEqual([]);
  });
});
