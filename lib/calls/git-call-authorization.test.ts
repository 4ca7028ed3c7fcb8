import { describe, expect, it } from '@jest/globals';

import { authorizeGitCall, checkPushHeaders } from './git-call-authorization.ts';
import type { RefCommand } from './git-commands.ts';
import { recognizeGitRequest } from './git-request.ts';

const RUN = {
  name: 'fix',
  allow: [
    { actions: ['git:fetch'], resources: ['git://forge/acme/*'] },
    { actions: ['git:push'], resources: ['git://forge/acme/web#refs/heads/agent/*'] },
    { actions: ['git:delete-ref'], resources: ['git://forge/acme/web#refs/heads/agent/tmp-*'] },
    { actions: ['git:push'], resources: ['git://forge/acme/docs'] },
  ],
};

type Step = {
  service: 'upload-pack' | 'receive-pack';
  repository: string;
  commands?: RefCommand[];
};
const authorize = ({ service, repository, commands }: Step, run = RUN) =>
  authorizeGitCall(
    {
      request: { service, repository, step: commands === undefined ? 'advertisement' : 'rpc' },
      upstream: 'forge',
      ...(commands === undefined ? {} : { commands }),
    },
    run,
  );
const push = (repository: string, ...commands: (readonly [string, RefCommand['kind']])[]) =>
  authorize({
    service: 'receive-pack',
    repository,
    commands: commands.map(([ref, kind]) => ({ ref, kind })),
  });

describe('recognizeGitRequest', () => {
  const recognize = (method: string, target: string) => {
    const [path = '', query = ''] = target.split('?');
    return recognizeGitRequest({ method, path, query });
  };

  it.each([
    ['GET', '/acme/web.git/info/refs?service=git-upload-pack', 'upload-pack', 'advertisement'],
    ['GET', '/acme/web/info/refs?service=git-receive-pack', 'receive-pack', 'advertisement'],
    ['POST', '/acme/web.git/git-upload-pack', 'upload-pack', 'rpc'],
    ['POST', '/acme/web.git/git-receive-pack', 'receive-pack', 'rpc'],
  ])('recognizes %s %s', (method, target, service, step) => {
    expect(recognize(method, target)).toEqual({
      ok: true,
      value: { service, step, repository: 'acme/web' },
    });
  });

  it.each([
    ['GET', '/acme/web.git/info/refs'],
    ['GET', '/acme/web.git/info/refs?service=git-receive-pack&x=1'],
    ['GET', '/acme/web.git/info/refs?service=git-upload-archive'],
    ['GET', '/acme/web.git/HEAD'],
    ['GET', '/acme/web.git/objects/info/packs'],
    ['POST', '/acme/web.git/info/refs?service=git-receive-pack'],
    ['GET', '/acme/web.git/git-receive-pack'],
    ['POST', '/acme/web.git/git-receive-pack?x=1'],
    ['PUT', '/acme/web.git/git-receive-pack'],
    ['POST', '/acme/web.git/info/lfs/objects/batch'],
    ['POST', '/git-receive-pack'],
    ['POST', '/acme%20x/web/git-receive-pack'],
    ['POST', '/acme/web*/git-receive-pack'],
    ['POST', '/acme/web/git-upload-pack/git-receive-pack/x'],
  ])('refuses %s %s', (method, target) => {
    expect(recognize(method, target)).toMatchObject({
      ok: false,
      refusal: { code: 'path_outside' },
    });
  });
});

describe('authorizeGitCall', () => {
  it('allows a fetch of a listed repository', () => {
    expect(authorize({ service: 'upload-pack', repository: 'acme/web' }).refusal).toBeUndefined();
    expect(authorize({ service: 'upload-pack', repository: 'other/web' })).toMatchObject({
      refusal: { code: 'path_outside' },
    });
  });

  it('allows no fetch by a permission for some refs, because a fetch transfers all', () => {
    const allow = [{ actions: ['git:fetch'], resources: ['git://forge/a/b#refs/heads/x'] }];
    const step = { service: 'upload-pack', repository: 'a/b' } as const;
    expect(authorize(step, { name: 'fix', allow }).refusal?.code).toBe('path_outside');
  });

  it('lists refs for a push to a repository with any permission to push', () => {
    expect(authorize({ service: 'receive-pack', repository: 'acme/web' }).refusal).toBeUndefined();
    expect(authorize({ service: 'receive-pack', repository: 'acme/api' }).refusal).toMatchObject({
      message: 'git:push on git://forge/acme/api is outside task fix',
    });
  });

  it('allows a push whose refs all match, and names its permissions', () => {
    expect(push('acme/web', ['refs/heads/agent/a', 'create'])).toEqual({
      permissions: [{ action: 'git:push', resource: 'git://forge/acme/web#refs/heads/agent/a' }],
      isResolved: true,
    });
    expect(push('acme/web', ['refs/heads/agent/tmp-1', 'delete']).refusal).toBeUndefined();
    expect(push('acme/docs', ['refs/heads/main', 'update']).refusal).toBeUndefined();
    expect(push('acme/web').refusal).toBeUndefined();
  });

  it.each([
    ['another ref', 'acme/web', [['refs/heads/main', 'update']]],
    [
      'a second ref that is outside',
      'acme/web',
      [
        ['refs/heads/agent/a', 'update'],
        ['refs/heads/main', 'update'],
      ],
    ],
    ['a deletion without its permission', 'acme/web', [['refs/heads/agent/a', 'delete']]],
    ['a deletion where any ref may be pushed', 'acme/docs', [['refs/heads/main', 'delete']]],
    [
      'a ref that repeats the pattern behind #',
      'acme/web',
      [['refs/heads/main#refs/heads/agent/a', 'update']],
    ],
  ] as const)('refuses %s', (_, repository, commands) => {
    expect(push(repository, ...commands)).toMatchObject({ refusal: { code: 'ref_outside' } });
  });

  it('names action, repository, ref and task in a refusal', () => {
    const result = push('acme/web', ['refs/heads/main', 'delete']);
    expect(result.refusal?.message).toBe(
      'git:delete-ref on git://forge/acme/web#refs/heads/main is outside task fix',
    );
  });
});

describe('checkPushHeaders', () => {
  const type = 'application/x-git-receive-pack-request';
  it('accepts a push as Git sends it, and no compressed body', () => {
    expect(checkPushHeaders(new Map([['content-type', type]])).ok).toBe(true);
    const gzip = new Map([
      ['content-type', type],
      ['content-encoding', 'gzip'],
    ]);
    expect(checkPushHeaders(gzip).ok).toBe(false);
    expect(checkPushHeaders(new Map([['content-type', 'text/plain']])).ok).toBe(false);
  });
});
