import { describe, expect, it } from '@jest/globals';

import { buildSpiffeId, readSpiffeId } from './spiffe-id.ts';

const subject = { namespace: 'live', serviceAccount: 'agent.v2', task: 'summarize' };
const build = (members: Partial<typeof subject>): string =>
  buildSpiffeId({ trustDomain: 'prod.example', ...subject, ...members });
const read = (id: string) => readSpiffeId(id, 'prod.example');

describe('readSpiffeId', () => {
  it.each([
    {},
    { namespace: 'a', serviceAccount: 'b', task: 'c' },
    { namespace: 'n'.repeat(63), serviceAccount: 's'.repeat(253), task: 't'.repeat(63) },
  ])('reads what buildSpiffeId builds: %j', (members) => {
    expect(read(build(members))).toEqual({ ...subject, ...members });
  });

  it.each([
    ...['-', '-a', 'a-', 'a.b', 'A', '', 'a/b', 'n'.repeat(64)].flatMap((name) => [
      { namespace: name },
      { task: name },
    ]),
    ...['.', '.a', 'a.', '-', 'A', '', 'a/b', 's'.repeat(254)].map((name) => ({
      serviceAccount: name,
    })),
  ])('reads no name that the CRD of Revocations refuses: %j', (members) => {
    expect(read(build(members))).toBeUndefined();
  });

  it('reads no ID of another trust domain', () => {
    expect(readSpiffeId(build({}), 'test.example')).toBeUndefined();
    expect(readSpiffeId(build({}), 'prod.exampl')).toBeUndefined();
  });
});
