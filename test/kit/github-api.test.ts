import { describe, expect, it } from '@jest/globals';

import { toMapping } from '../../lib/schema/mapping.ts';
import { buildRepository, readGitHubDescription } from './github-api.ts';
import { createOpenApiChecks } from './openapi.ts';

const description = readGitHubDescription();
const { checkRequest, checkResponse } = createOpenApiChecks(description);

const ask = (body: unknown, path = '/app/installations/9/access_tokens') => ({
  ...{ method: 'POST', path, body },
});
const asked = ask({ repositories: ['web'], permissions: { contents: 'read' } });
const answer = {
  token: 'ghs_0123456789',
  expires_at: '2026-01-01T00:00:00Z',
  permissions: { contents: 'read' },
  repository_selection: 'selected',
  repositories: [buildRepository('acme/web')],
};

describe("the comparison with GitHub's description", () => {
  it('finds no difference in what the description shows', () => {
    const { examples } = toMapping(description['components']);
    const { value } = toMapping(toMapping(examples)['installation-token']);
    expect(checkRequest(asked)).toEqual([]);
    expect(checkResponse(asked, { status: 201, body: value })).toEqual([]);
    expect(checkResponse(asked, { status: 201, body: answer })).toEqual([]);
    const removal = { method: 'DELETE', path: '/installation/token', body: undefined };
    expect([
      ...checkRequest(removal),
      ...checkResponse(removal, { status: 204, body: undefined }),
    ]).toEqual([]);
  });

  it.each([
    ['another path', ask(undefined, '/app/installation/9/access_tokens'), 'not in the description'],
    [
      'a name as the number of an installation',
      ask({}, '/app/installations/acme/access_tokens'),
      'not in the description',
    ],
    ['another method', { ...asked, method: 'PUT' }, 'not in the description'],
    ['a member that GitHub does not know', ask({ repos: ['web'] }), '"repos"'],
    ['repositories as text', ask({ repositories: 'web' }), '/repositories must be array'],
    ['an unknown permission', ask({ permissions: { content: 'read' } }), '"content"'],
    ['an unknown level', ask({ permissions: { contents: 'all' } }), '/permissions/contents'],
  ])('finds %s in a request', (_, request, difference) => {
    expect(checkRequest(request).join('\n')).toContain(difference);
  });

  it.each([
    ['a missing member', 201, { ...answer, expires_at: undefined }, 'expires_at'],
    [
      'a short repository',
      201,
      { ...answer, repositories: [{ full_name: 'acme/web' }] },
      '/repositories/0',
    ],
    ['an error without a message', 422, { documentation_url: 'x' }, 'message'],
    ['another status', 200, answer, 'expected one of 201'],
  ])('finds %s in an answer', (_, status, body, difference) => {
    const value: unknown = JSON.parse(JSON.stringify(body));
    expect(checkResponse(asked, { status, body: value }).join('\n')).toContain(difference);
  });
});
