import { describe, expect, it } from '@jest/globals';

import { createDelegationSeals, type Delegation } from './delegations.ts';

const secret = Buffer.alloc(32, 7);
const delegation: Delegation = {
  parent: {
    ...{ run: 'parent', namespace: 'agents', serviceAccount: 'planner', task: 'research' },
    ...{ pod: 'planner-1', podUid: 'uid-1', provider: 'aws', delivery: 'sign' },
    role: 'arn:aws:iam::111122223333:role/research',
    deadline: 2_000,
    allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::data/*'] }],
    user: { issuer: 'https://login.example', subject: 'alice' },
    chain: [{ run: 'root', namespace: 'agents', serviceAccount: 'root', task: 'all' }],
  },
  task: 'read',
  audience: { namespace: 'agents', serviceAccount: 'reader' },
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::data/a'] }],
  params: { customer: '17' },
  lifetimeSeconds: 60,
  expiresAt: 1_000,
};
const { seal, open } = createDelegationSeals(secret);
const handle = seal(delegation) ?? '';

describe('createDelegationSeals', () => {
  it('opens on every replica what one of them sealed', () => {
    expect(createDelegationSeals(secret).open(handle)).toEqual(delegation);
  });

  it('shows nothing of the delegation, and never the same text twice', () => {
    const decoded = Buffer.from(handle.slice(5), 'base64url').toString('latin1');
    for (const part of ['planner', 'arn:aws', 'alice', 'read']) expect(decoded).not.toContain(part);
    expect(seal(delegation)).not.toBe(handle);
  });

  it('opens no handle with one other character, whichever it is', () => {
    for (let at = 0; at < handle.length; at += 1) {
      const other = handle[at] === 'A' ? 'B' : 'A';
      expect(open(`${handle.slice(0, at)}${other}${handle.slice(at + 1)}`)).toBeUndefined();
    }
  });

  it.each([
    ['nothing', ''],
    ['a ticket', 'vk1.e30.AAAA'],
    ['a JWT', 'e30.e30.e30'],
    ['a longer handle', `${handle}A`],
    ['a cut handle', handle.slice(0, -4)],
  ])('opens nothing for %s', (_what, given) => {
    expect(open(given)).toBeUndefined();
  });

  it('opens nothing that another key sealed', () => {
    expect(createDelegationSeals(Buffer.alloc(32, 8)).open(handle)).toBeUndefined();
  });

  it('seals no delegation that is too long for a request', () => {
    const allow = [
      {
        actions: ['s3:GetObject'],
        resources: Array<string>(16).fill(`arn:aws:s3:::${'a'.repeat(1_000)}`),
      },
    ];
    expect(seal({ ...delegation, allow })).toBeUndefined();
  });
});
