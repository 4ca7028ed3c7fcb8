import { describe, expect, it } from '@jest/globals';
import { authorizeDatabaseSession } from './database-session-authorization.ts';
import { renderDatabaseRefusal } from './database-refusals.ts';

const authorize = (request: { user?: string; database?: string }, ...resources: string[]) =>
  authorizeDatabaseSession(
    { user: '', database: '', ...request },
    {
      ...{ upstream: 'reports', task: 'query' },
      allow: [{ actions: ['postgres:connect'], resources }],
    },
  );

describe('authorizeDatabaseSession', () => {
  it.each([
    ['none', {}],
    ['that of its user, which clients choose by default', { user: 'me', database: 'me' }],
    ['the one of the task', { user: 'me', database: 'sales' }],
  ])('gives the only database of a task to a client that asks for %s', (_what, request) => {
    const result = authorize(request, 'postgres://reports/sales');
    expect(result).toMatchObject({ database: 'sales' });
    expect(result).not.toHaveProperty('refusal');
  });

  it('guesses no database where a task has several, or a pattern', () => {
    const both = ['postgres://reports/sales', 'postgres://reports/other'];
    expect(authorize({ user: 'me' }, ...both).refusal).toMatchObject({ code: 'resource_outside' });
    expect(authorize({ database: 'other' }, ...both)).not.toHaveProperty('refusal');
    expect(authorize({ user: 'me' }, 'postgres://reports/tenant-*').refusal).toBeDefined();
    expect(authorize({ database: 'tenant-7' }, 'postgres://reports/tenant-*')).not.toHaveProperty(
      'refusal',
    );
  });

  it.each([
    ['of another Upstream', { database: 'sales' }, 'postgres://archive/sales'],
    ['whose name holds a slash', { database: 'sales/x' }, 'postgres://reports/sales'],
  ])('refuses a database %s', (_what, request, resource) => {
    expect(authorize(request, resource).refusal).toMatchObject({
      code: 'resource_outside',
      message: expect.stringContaining('is outside task query') as unknown,
    });
  });
});

describe('renderDatabaseRefusal', () => {
  it.each([
    ['key_required', '28P01'],
    ['resource_outside', '42501'],
    ['run_revoked', '28000'],
    ['overloaded', '53300'],
    ['authority_unreachable', '57P03'],
    ['upstream_untrusted', '08006'],
    ['request_malformed', '08P01'],
  ] as const)('renders %s with SQLSTATE %s, and its code in the message', (code, sqlState) => {
    const text = renderDatabaseRefusal({ code, message: 'because\0' }).toString();
    expect(text).toContain(`C${sqlState}\0Mvaletkey: because (${code})\0`);
  });
});
