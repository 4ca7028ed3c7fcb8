import { describe, expect, it } from '@jest/globals';

import { MINIMAL_UPSTREAM } from '../../test/kit/upstream-cases.ts';
import { buildHttpSecret, checkSecretText, renderPresentation } from './presentation.ts';
import { parseUpstream } from './upstream-parser.ts';

const SECRET = 'sk-0123456789abcdef';

describe('checkSecretText', () => {
  it.each([
    ['a'.repeat(15), 'too_short'],
    ['a'.repeat(16), undefined],
    ['a'.repeat(16 * 1024), undefined],
    ['a'.repeat(16 * 1024 + 1), 'too_long'],
    [`${SECRET}\n`, 'control_characters'],
    [`${SECRET}\r\nx-admin: 1`, 'control_characters'],
    [`${SECRET}\u0000${SECRET}`, 'control_characters'],
    [`${SECRET}é${SECRET}`, 'control_characters'],
    [` ${SECRET}`, 'control_characters'],
  ])('checks %j', (secret, fault) => {
    expect(checkSecretText(secret)).toBe(fault);
  });
});

describe('renderPresentation', () => {
  it('puts the secret into the template, also one that looks like a reference', () => {
    const present = { kind: 'header', name: 'x-api-key', template: 'Key {secret}' } as const;
    expect(renderPresentation(present, "$&$'$1")).toEqual({ 'x-api-key': "Key $&$'$1" });
  });

  it('encodes user name and secret as Basic credentials', () => {
    expect(renderPresentation({ kind: 'basic', username: 'x-access-token' }, SECRET)).toEqual({
      authorization: `Basic ${Buffer.from(`x-access-token:${SECRET}`).toString('base64')}`,
    });
  });
});

describe('buildHttpSecret', () => {
  it('gives the sidecar the headers and rules, and nothing about the source of the secret', () => {
    const parsed = parseUpstream({ metadata: { name: 'openai' }, spec: MINIMAL_UPSTREAM });
    if (!parsed.ok || parsed.value.kind !== 'http') throw new Error('expected an HTTP Upstream');
    const issued = buildHttpSecret(parsed.value, SECRET);
    expect(issued).toEqual({
      kind: 'http',
      headers: { authorization: `Bearer ${SECRET}` },
      echoes: [SECRET],
      upstream: parsed.value.rules,
    });
    expect(JSON.stringify(issued)).not.toContain('kubernetes');
  });

  it('presents nothing where an MCP server needs no secret', () => {
    const spec = { url: 'https://mcp.example', protocol: 'mcp' };
    const parsed = parseUpstream({ metadata: { name: 'mcp' }, spec });
    if (!parsed.ok || parsed.value.kind !== 'http') throw new Error('expected an HTTP Upstream');
    expect(buildHttpSecret(parsed.value, undefined)).toMatchObject({ headers: {}, echoes: [] });
  });
});
