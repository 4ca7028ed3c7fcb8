import { describe, expect, it } from '@jest/globals';
import { RULES } from '../../lib/injection/rules/rules.ts';
import { evaluateExample, EXAMPLES } from './admission-examples.ts';
import { renderAdmissionPage } from './admission-page.ts';

describe('an example of docs/admission.md', () => {
  it.each(EXAMPLES)('is denied by rule $rule and by no other', (example) => {
    const rules = new Set(evaluateExample(example).map(({ rule }) => rule));
    expect([...rules]).toEqual([example.rule]);
  });

  it('exists for every rule that code evaluates', () => {
    const evaluated = RULES.filter(({ by }) => by === 'webhook').map(({ id }) => id);
    expect(EXAMPLES.map(({ rule }) => rule)).toEqual(evaluated);
  });
});

it('docs/admission.md states the requirement, rationale and remedy of every rule', () => {
  const page = renderAdmissionPage();
  for (const { id, requirement, rationale, remedy } of RULES) {
    const [, section = ''] = page.split(`\n## Rule ${id}\n`);
    const text = section.split('\n## ')[0];
    expect(text).toContain(requirement);
    expect(text).toContain(rationale);
    expect(text?.toLowerCase()).toContain(remedy.toLowerCase());
  }
});
