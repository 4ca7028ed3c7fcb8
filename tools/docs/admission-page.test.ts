import { describe, expect, test } from '@jest/globals';
import { RULES } from '../../lib/injection/rules/rules.ts';
import { evaluateExample, EXAMPLES } from './admission-examples.ts';
import { renderAdmissionPage } from './admission-page.ts';

describe('an example of docs/admission.md', () => {
  test.each(EXAMPLES)('is refused by rule $rule, and by no other', (example) => {
    const rules = new Set(evaluateExample(example).map(({ rule }) => rule));
    expect([...rules]).toEqual([example.rule]);
  });

  test('stands there for every rule that is held by code', () => {
    const judged = RULES.filter(({ by }) => by === 'webhook').map(({ id }) => id);
    expect(EXAMPLES.map(({ rule }) => rule)).toEqual(judged);
  });
});

test('docs/admission.md says of every rule what holds, why, and how to be rid of a refusal', () => {
  const page = renderAdmissionPage();
  for (const { id, requirement, rationale, remedy } of RULES) {
    const [, section = ''] = page.split(`\n## Rule ${id}\n`);
    const text = section.split('\n## ')[0];
    expect(text).toContain(requirement);
    expect(text).toContain(rationale);
    expect(text?.toLowerCase()).toContain(remedy.toLowerCase());
  }
});
