import { describe, expect, it } from '@jest/globals';
import fc from '../../test/kit/fast-check.ts';
import { authorizeGitCall } from '../calls/git-call-authorization.ts';
import { authorizeHttpCall } from '../calls/http-call-authorization.ts';
import { createCommandReader } from '../calls/git-commands.ts';
import { recognizeGitRequest } from '../calls/git-request.ts';
import { parseHttpTarget } from '../calls/http-target.ts';
import type { TaskStatement } from '../contract/task.ts';
import type { TaskProtocol } from '../contract/upstream.ts';
import { encodeMcpName, evaluateMcpMessage } from '../mcp/permissions.ts';
import { read } from '../schema/reader.ts';
import { bindParams } from './params.ts';
import { bindResource } from './resource.ts';
import { createUpstreamResourceReader } from './upstream-resources.ts';

const accepts = (protocol: TaskProtocol, resource: string): boolean =>
  read(createUpstreamResourceReader(protocol), resource).ok;

const run = (action: string, ...resources: string[]) => ({
  name: 'task',
  allow: [{ actions: [action], resources }] as readonly TaskStatement[],
});

/** Every ASCII character, and some beyond it. */
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      ...Array.from('abZ09/.-_~%#@:;,=+!&()|<>"\\^`[]? *{}$\''),
      'é',
      '\u0000',
      '../',
      '.lock',
      '%2e',
    ),
    fc.integer({ min: 0, max: 0x7f }).map((code) => String.fromCharCode(code)),
  ),
  minLength: 1,
  maxLength: 6,
});
const isLiteral = (resource: string): boolean => !/[*{}]/.test(resource);

const OLD = '1'.repeat(40);
const NEW = '2'.repeat(40);

/** The ref of a push, as the gateway reads it from the wire; undefined if it refuses it. */
const readRef = (ref: string): string | undefined => {
  const line = `${OLD} ${NEW} ${ref}\0report-status`;
  const length = (Buffer.byteLength(line) + 4).toString(16).padStart(4, '0');
  const result = createCommandReader()(Buffer.from(`${length}${line}0000`));
  const found: unknown = result.ok ? result.value : undefined;
  // The reader returns commands, or a head that has them.
  const { commands = found } = (found ?? {}) as { commands?: unknown };
  return (commands as { ref: string }[] | undefined)?.[0]?.ref;
};

describe('what a declaration accepts without wildcards, the gateway can match', () => {
  it('for repositories of Git', () => {
    fc.assert(
      fc.property(text, (repository) => {
        const resource = `git://code/${repository}`;
        if (!(accepts('git', resource) && isLiteral(resource) && !repository.includes('#'))) return;
        const [path, query] = [`/${repository}.git/info/refs`, 'service=git-upload-pack'];
        const target = parseHttpTarget(`${path}?${query}`, {
          ...{ url: 'https://code.example.com', encodedSlash: 'refuse', query: { deny: [] } },
        });
        expect(target.ok).toBe(true);
        const request = recognizeGitRequest({ method: 'GET', path, query });
        if (!request.ok) throw new Error(request.refusal.message);
        const decision = authorizeGitCall(
          { request: request.value, upstream: 'code' },
          run('git:fetch', resource),
        );
        expect(decision).not.toHaveProperty('refusal');
      }),
      { numRuns: 5_000 },
    );
  });

  it('for refs of Git', () => {
    fc.assert(
      fc.property(text, (name) => {
        const ref = `refs/heads/${name}`;
        const resource = `git://code/acme/site#${ref}`;
        if (!(accepts('git', resource) && isLiteral(resource))) return;
        expect(readRef(ref)).toBe(ref);
        const request = { service: 'receive-pack', step: 'rpc', repository: 'acme/site' } as const;
        const push = (pushed: string) =>
          authorizeGitCall(
            { request, upstream: 'code', commands: [{ ref: pushed, kind: 'update' }] },
            run('git:push', resource),
          );
        expect(push(ref)).not.toHaveProperty('refusal');
        expect(push(`${ref}x`)).toHaveProperty('refusal');
      }),
      { numRuns: 5_000 },
    );
  });

  it.each(['tools', 'resources', 'prompts'] as const)('for names of MCP %s', (kind) => {
    const [action, method, member] = {
      tools: ['mcp:tools/call', 'tools/call', 'name'],
      resources: ['mcp:resources/read', 'resources/read', 'uri'],
      prompts: ['mcp:prompts/get', 'prompts/get', 'name'],
    }[kind] as [string, string, string];
    const evaluate = (name: string, resource: string) =>
      evaluateMcpMessage({ kind: 'request', id: 1, method, params: { [member]: name } } as never, {
        task: 'task',
        upstream: 'wiki',
        allow: run(action, resource).allow,
      }).refusal === undefined;
    const names = fc.oneof(text, text.map(encodeMcpName));
    fc.assert(
      fc.property(names, (pattern) => {
        const resource = `mcp://wiki/${kind}/${pattern}`;
        if (!(accepts('mcp', resource) && isLiteral(resource))) return;
        expect(evaluate(decodeURIComponent(pattern), resource)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
    fc.assert(
      fc.property(text, (name) => {
        const resource = `mcp://wiki/${kind}/${encodeMcpName(name)}`;
        const isMatched = evaluate(name, resource);
        if (accepts('mcp', resource)) expect(isMatched).toBe(true);
        // A declaration takes fewer URIs: none with encoded dots.
        else if (kind !== 'resources') expect(isMatched).toBe(false);
      }),
      { numRuns: 5_000 },
    );
  });

  it('for paths of HTTP APIs with unreserved characters', () => {
    const url = 'https://api.example.com';
    const path = fc.string({
      unit: fc.constantFrom(...Array.from('abZ09/.-_~@:,=+!&()')),
      maxLength: 10,
    });
    fc.assert(
      fc.property(path, (rest) => {
        const resource = `${url}/${rest}`;
        if (!accepts('http', resource)) return;
        const target = parseHttpTarget(`/${rest}`, {
          ...{ url, encodedSlash: 'refuse', query: { deny: [] } },
        });
        if (!target.ok) throw new Error(target.refusal.message);
        const call = { method: 'GET', target: target.value };
        expect(authorizeHttpCall(call, run('http:GET', resource))).not.toHaveProperty('refusal');
      }),
    );
  });
});

describe('a value that bindParams accepts', () => {
  const resources = [
    'https://api.example.com/items/{p}/notes',
    'git://code/acme/{p}#refs/heads/agent/*',
    'git://code/acme/site#refs/heads/agent/{p}/x',
    'mcp://wiki/tools/get-{p}',
    'mcp://wiki/resources/file:///docs/{p}/x',
    'postgres://orders/{p}',
  ];
  const countSegments = (resource: string): readonly number[] =>
    resource.split('#', 2).map((part, index) => (index === 0 ? part.split('/').length : 0));

  it.each(resources)('keeps the segments of %s', (resource) => {
    const task = {
      params: { p: { pattern: '(?s).*', maxLength: 64 } },
      allow: [{ actions: ['x:y'], resources: [resource] }],
    };
    fc.assert(
      fc.property(text, (p) => {
        if (!bindParams(task, { p }).ok) return;
        const bound = bindResource(resource, { p });
        expect(countSegments(bound)).toEqual(countSegments(resource));
        expect(bound.split('*')).toHaveLength(resource.split('*').length);
        expect(/[?{}]/.test(bound)).toBe(false);
      }),
      { numRuns: 5_000 },
    );
  });
});
