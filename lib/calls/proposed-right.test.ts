import { describe, expect, it } from '@jest/globals';

import { evaluateCall } from './call-evaluation.ts';
import { findProposal } from './proposed-right.ts';

const task = {
  name: 'report',
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::data/in/*'] }],
};
const refused = (
  permissions: readonly { action: string; resource?: string }[],
  code: 'action_outside' | 'resource_outside' | 'operation_mints' = 'resource_outside',
) => ({ permissions, isResolved: true, refusal: { code, message: 'outside' } });
const get = (key: string) => ({ action: 's3:GetObject', resource: `arn:aws:s3:::data/${key}` });

describe('findProposal', () => {
  it('finds only what is missing, and that allows the call', () => {
    const permissions = [
      get('in/a'),
      get('out/b'),
      { action: 's3:PutObject', resource: 'arn:aws:s3:::data/out/b' },
    ];
    const proposal = findProposal('resource_outside', refused(permissions), task);
    expect(proposal).toEqual({
      task: 'report',
      allow: [
        { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::data/out/b'] },
        { actions: ['s3:PutObject'], resources: ['arn:aws:s3:::data/out/b'] },
      ],
    });
    const extended = [...task.allow, ...(proposal?.allow ?? [])];
    expect(evaluateCall(permissions, extended).isAllowed).toBe(true);
    expect(evaluateCall([get('out/c')], extended).isAllowed).toBe(false);
  });

  it.each(['out/*', 'out/?', 'out/{day}', 'out/${aws:username}'])(
    'finds nothing for the key %s, which a task reads as a pattern',
    (key) => {
      expect(findProposal('resource_outside', refused([get(key)]), task)).toBeUndefined();
    },
  );

  it('finds nothing where a resource is not known, or is too long', () => {
    const unknown = refused([{ action: 's3:PutObject' }], 'action_outside');
    expect(findProposal('action_outside', unknown, task)).toBeUndefined();
    const long = refused([get('x'.repeat(2048))]);
    expect(findProposal('resource_outside', long, task)).toBeUndefined();
  });

  it('finds nothing for another cause, or more than 16 pairs', () => {
    const minting = refused([get('out/b')], 'operation_mints');
    expect(findProposal('operation_mints', minting, task)).toBeUndefined();
    expect(findProposal('run_ended', refused([get('out/b')]), task)).toBeUndefined();
    const keys = (count: number) =>
      refused(Array.from({ length: count }, (_, at) => get(`out/${at}`)));
    expect(findProposal('resource_outside', keys(16), task)?.allow).toHaveLength(1);
    expect(findProposal('resource_outside', keys(17), task)).toBeUndefined();
  });

  it('finds nothing for a push that names no ref', () => {
    const push = (resource: string) => refused([{ action: 'git:push', resource }]);
    expect(findProposal('resource_outside', push('git://hub/a/b'), task)).toBeUndefined();
    const named = push('git://hub/a/b#refs/heads/x');
    expect(findProposal('resource_outside', named, task)).toBeDefined();
  });
});
