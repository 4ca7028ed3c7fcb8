import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

import {
  INVALID_UPSTREAMS,
  MINIMAL_UPSTREAM,
  VALID_UPSTREAMS,
} from '../../test/kit/upstream-cases.ts';
import { parseUpstream } from './upstream-parser.ts';

const parseSpec = (spec: unknown) => parseUpstream({ metadata: { name: 'openai' }, spec });

describe('parseUpstream', () => {
  it.each(VALID_UPSTREAMS)('accepts: $title', ({ spec }) => {
    expect(parseSpec(spec)).toMatchObject({ ok: true });
  });

  it.each(INVALID_UPSTREAMS)('rejects: $title', ({ spec, faultAt }) => {
    const result = parseSpec(spec);
    expect(result.ok ? [] : result.faults.map(({ path }) => path)).toEqual([faultAt]);
  });

  it('identifies a stored database server by the UID of its object', () => {
    const admin = { name: 'reports-admin', key: 'login' };
    const templates = [{ role: 'app', level: 'Write' }];
    const spec = { postgres: { host: 'db.example', admin, templates } };
    const parse = (metadata: object) => parseUpstream({ metadata, spec });
    const value = { kind: 'postgres', name: 'reports', host: 'db.example', port: 5432 };
    expect(parse({ name: 'reports', uid: 'uid-1' })).toMatchObject({
      value: { ...value, uid: 'uid-1' },
    });
    const unstored = { ok: true, value: { ...value, admin, templates } };
    expect([parse({ name: 'reports' }), parse({ name: 'reports', uid: 7 })]).toEqual([
      unstored,
      unstored,
    ]);
  });

  it('applies defaults and writes header names in lower case', () => {
    expect(parseSpec(MINIMAL_UPSTREAM)).toEqual({
      ok: true,
      value: {
        kind: 'http',
        name: 'openai',
        rules: {
          name: 'openai',
          url: 'https://api.openai.com',
          protocol: 'http',
          headers: { pass: [], set: {} },
          query: { deny: [] },
          encodedSlash: 'refuse',
          allowHttp: false,
          privateAddresses: false,
          maxBodyBytes: 33_554_432,
        },
        access: {
          present: { kind: 'header', name: 'authorization', template: 'Bearer {secret}' },
          secret: { kind: 'kubernetes', name: 'openai', key: 'token' },
        },
        levels: [],
        tools: [],
      },
    });
  });

  it('gives the gateway what MCP servers may do, with pins but without their levels', () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const spec = {
      url: 'https://mcp.example',
      protocol: 'mcp',
      tools: [{ name: 'search', digest, level: 'Read' }],
    };
    expect(parseSpec(spec)).toMatchObject({
      value: {
        rules: { mcp: { serverRequests: false, tools: [{ name: 'search', digest }] } },
        tools: [{ name: 'search', digest, level: 'Read' }],
      },
    });
    const asking = { url: 'https://mcp.example', protocol: 'mcp', mcp: { serverRequests: true } };
    expect(parseSpec(asking)).toMatchObject({
      value: { rules: { mcp: { serverRequests: true } } },
    });
  });

  it('reports every wrong field at once, with the name of the object', () => {
    const result = parseSpec({ url: 'ftp://x', protocol: 'smtp', maxBody: 7, surprise: true });
    const faults = result.ok ? [] : result.faults;
    expect(faults.map(({ path }) => path).sort()).toEqual([
      'spec.maxBody',
      'spec.protocol',
      'spec.surprise',
      'spec.url',
    ]);
    expect(faults.every(({ source }) => source === 'upstreams/openai')).toBe(true);
  });

  it.each([
    ['grant', 'https://other.example/revoke', ['spec.secret.oauth']],
    ['grant', 'https://login.example/revoke', []],
    ['privateKeyJwt', 'https://other.example/revoke', []],
  ])(
    'lets %s prove a client at %s only where its token server or an annotation says so',
    (auth, revocationUrl, paths) => {
      const oauth = {
        ...{ tokenUrl: 'https://login.example/token', revocationUrl, clientId: 'a', auth },
        ...(auth !== 'grant' && { key: { name: 'client', key: 'pem' } }),
      };
      const present = { header: { name: 'authorization', template: 'Bearer {secret}' } };
      const result = parseSpec({ url: 'https://api.example', present, secret: { oauth } });
      expect(result.ok ? [] : result.faults.map(({ path }) => path)).toEqual(paths);
    },
  );

  it('rejects a name that a task cannot contain', () => {
    const result = parseUpstream({ metadata: { name: 'a.b' }, spec: MINIMAL_UPSTREAM });
    expect(result.ok ? [] : result.faults.map(({ path }) => path)).toEqual(['metadata.name']);
  });

  it.each([[undefined], [null], [7], ['x'], [[]], [{}], [{ spec: null }]])(
    'rejects the object %p',
    (found) => {
      expect(parseUpstream(found).ok).toBe(false);
    },
  );
});

describe('the CRD of Upstreams', () => {
  type Schema = { properties?: Record<string, Schema> };
  const crd = parse(readFileSync('charts/valetkey/crds/upstreams.yaml', 'utf8')) as {
    spec: { versions: { schema: { openAPIV3Schema: Schema } }[] };
  };
  const spec = crd.spec.versions[0]?.schema.openAPIV3Schema.properties?.['spec'];
  const members = (schema: Schema | undefined) => Object.keys(schema?.properties ?? {}).sort();

  /** The parser names what it accepts in the error of an unknown key. */
  const accepted = (found: unknown, at: string): string[] => {
    const result = parseSpec(found);
    const fault = result.ok ? undefined : result.faults.find(({ path }) => path === at);
    return (fault?.expected ?? '').replace('only ', '').split(', ').sort();
  };

  it('has the members that the parser reads', () => {
    expect(members(spec)).toEqual([...accepted({ unknown: 1 }, 'spec.unknown'), 'postgres'].sort());
  });

  it.each(['kubernetes', 'vault', 'oauth', 'githubApp'])(
    'has the members of the source %s that the parser reads',
    (kind) => {
      const found = { ...MINIMAL_UPSTREAM, secret: { [kind]: { unknown: 1 } } };
      const at = `spec.secret.${kind}.unknown`;
      expect(members(spec?.properties?.['secret']?.properties?.[kind])).toEqual(
        accepted(found, at),
      );
    },
  );
});
