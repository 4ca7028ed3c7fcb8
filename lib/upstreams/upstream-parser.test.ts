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
