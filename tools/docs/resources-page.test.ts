import { describe, expect, it } from '@jest/globals';
import { Ajv } from 'ajv';

import { RESOURCE_EXAMPLES } from './resource-examples.ts';
import { readResourceDefinitions, renderResourcesPage } from './resources-page.ts';

describe('the reference of custom resources', () => {
  it.each(readResourceDefinitions())('has a valid example of $kind', ({ kind, schema }) => {
    // CEL rules and formats are those of the API server.
    const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
    const validate = ajv.compile(schema);
    validate(RESOURCE_EXAMPLES[kind]);
    expect(validate.errors ?? []).toEqual([]);
    expect(validate({ ...RESOURCE_EXAMPLES[kind], spec: { unknown: 1 } })).toBe(
      kind === 'Upstream',
    );
  });

  it('lists fields of lists and of their entries, with their rules', () => {
    const page = renderResourcesPage();
    expect(page).toMatch(/`spec\.groups\[\]\.quorum` +\| integer +\| yes +\| 1 to 9/);
    expect(page).toContain('an ApprovalRequest does not change');
  });
});
