import { describe, expect, it } from '@jest/globals';

import { buildRevocation } from './fixtures/revocation-objects.ts';
import { createRunOwners } from './run-owners.ts';

/** In these tests the ID of a run starts with the UID of its pod. */
const createOwners = () => {
  const tried: string[] = [];
  const owners = createRunOwners((run, podUid) => {
    tried.push(`${run} ${podUid}`);
    return run.startsWith(`${podUid}-`);
  });
  const listNames = (podUid: string) => {
    owners.advance(1000);
    return owners.ownedBy(podUid).map(({ name }) => name);
  };
  return { owners, tried, listNames };
};
const buildRunRevocation = (run: string) => buildRevocation(run, { run });

describe('createRunOwners', () => {
  it('assigns a run to its pod, whichever of both comes first', () => {
    const { owners, listNames } = createOwners();
    owners.replace([buildRunRevocation('a-1'), buildRunRevocation('b-1')]);
    owners.join('a');
    owners.join('b');
    owners.replace([
      buildRunRevocation('a-1'),
      buildRunRevocation('b-1'),
      buildRunRevocation('a-2'),
    ]);
    expect(listNames('a')).toEqual(['a-1', 'a-2']);
    expect(listNames('b')).toEqual(['b-1']);
    expect(listNames('c')).toEqual([]);
  });

  it('tries no pair twice, and no pair of a run whose owner is known', () => {
    const { owners, tried } = createOwners();
    owners.join('a');
    owners.join('b');
    owners.replace([buildRunRevocation('b-1'), buildRunRevocation('c-1')]);
    owners.advance(1000);
    owners.replace([buildRunRevocation('b-1'), buildRunRevocation('c-1')]);
    owners.join('d');
    expect(owners.advance(1000)).toEqual({ gained: [], isDone: true });
    expect(tried.toSorted()).toEqual(['b-1 a', 'b-1 b', 'c-1 a', 'c-1 b', 'c-1 d']);
  });

  it('drops a deleted Revocation and treats a new one of the same name as another', () => {
    const { owners, listNames } = createOwners();
    owners.join('a');
    owners.replace([buildRunRevocation('a-1')]);
    owners.replace([]);
    expect(listNames('a')).toEqual([]);
    owners.replace([{ ...buildRevocation('x', { run: 'b-1' }), uid: 'first' }]);
    owners.replace([{ ...buildRevocation('x', { run: 'a-1' }), uid: 'second' }]);
    expect(listNames('a')).toEqual(['x']);
  });

  it('assigns the same runs to a pod that disconnects and reconnects', () => {
    const { owners, listNames } = createOwners();
    owners.replace([buildRunRevocation('a-1')]);
    owners.join('a');
    owners.leave('a');
    expect(listNames('a')).toEqual([]);
    owners.join('a');
    expect(listNames('a')).toEqual(['a-1']);
  });

  it('keeps a pod with two streams connected until both have ended', () => {
    const { owners, listNames } = createOwners();
    owners.join('a');
    owners.join('a');
    owners.leave('a');
    owners.replace([buildRunRevocation('a-1')]);
    expect(listNames('a')).toEqual(['a-1']);
  });

  it('tries pairs in portions, the newest Revocations first', () => {
    const { owners, tried } = createOwners();
    owners.join('a');
    owners.join('b');
    owners.replace([
      buildRevocation('old', { run: 'a-1' }, 1_000),
      buildRevocation('new', { run: 'b-1' }, 2_000),
    ]);
    expect(owners.advance(1)).toEqual({ gained: [], isDone: false });
    expect(owners.advance(1)).toEqual({ gained: ['b'], isDone: false });
    expect(tried).toEqual(['b-1 a', 'b-1 b']);
    expect(owners.advance(5)).toEqual({ gained: ['a'], isDone: true });
  });

  it('skips pods that disconnected and Revocations that were deleted', () => {
    const { owners, tried } = createOwners();
    owners.join('a');
    owners.join('b');
    owners.replace([buildRunRevocation('c-1'), buildRunRevocation('c-2')]);
    owners.leave('a');
    owners.replace([buildRunRevocation('c-2')]);
    owners.advance(1000);
    expect(tried).toEqual(['c-2 b']);
  });
});
