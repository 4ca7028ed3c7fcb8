import { expect, test } from '@jest/globals';

import { buildRevocation } from './fixtures/revocation-objects.ts';
import { createRunOwners } from './run-owners.ts';

/** A run belongs to the pod that it begins with. */
const createOwners = () => {
  const tried: string[] = [];
  const owners = createRunOwners((run, podUid) => {
    tried.push(`${run} ${podUid}`);
    return run.startsWith(`${podUid}-`);
  });
  const namesOf = (podUid: string) => {
    owners.advance(1000);
    return owners.ownedBy(podUid).map(({ name }) => name);
  };
  return { owners, tried, namesOf };
};
const buildRunRevocation = (run: string) => buildRevocation(run, { run });

test('a run is told to the pod that it belongs to, in whatever order they come', () => {
  const { owners, namesOf } = createOwners();
  owners.replace([buildRunRevocation('a-1'), buildRunRevocation('b-1')]);
  owners.join('a');
  owners.join('b');
  owners.replace([buildRunRevocation('a-1'), buildRunRevocation('b-1'), buildRunRevocation('a-2')]);
  expect(namesOf('a')).toEqual(['a-1', 'a-2']);
  expect(namesOf('b')).toEqual(['b-1']);
  expect(namesOf('c')).toEqual([]);
});

test('no pair is tried twice while both stay, and none once the owner is known', () => {
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

test('a Revocation that is gone is told no more, and one of its name is another', () => {
  const { owners, namesOf } = createOwners();
  owners.join('a');
  owners.replace([buildRunRevocation('a-1')]);
  owners.replace([]);
  expect(namesOf('a')).toEqual([]);
  owners.replace([{ ...buildRevocation('x', { run: 'b-1' }), uid: 'first' }]);
  owners.replace([{ ...buildRevocation('x', { run: 'a-1' }), uid: 'second' }]);
  expect(namesOf('a')).toEqual(['x']);
});

test('a pod that left and came again is told what it was told before', () => {
  const { owners, namesOf } = createOwners();
  owners.replace([buildRunRevocation('a-1')]);
  owners.join('a');
  owners.leave('a');
  expect(namesOf('a')).toEqual([]);
  owners.join('a');
  expect(namesOf('a')).toEqual(['a-1']);
});

test('a pod that listens twice listens until it has left twice', () => {
  const { owners, namesOf } = createOwners();
  owners.join('a');
  owners.join('a');
  owners.leave('a');
  owners.replace([buildRunRevocation('a-1')]);
  expect(namesOf('a')).toEqual(['a-1']);
});

test('many pairs are tried in portions, the newest Revocations first', () => {
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

test('what left or was lifted meanwhile is not tried', () => {
  const { owners, tried } = createOwners();
  owners.join('a');
  owners.join('b');
  owners.replace([buildRunRevocation('c-1'), buildRunRevocation('c-2')]);
  owners.leave('a');
  owners.replace([buildRunRevocation('c-2')]);
  owners.advance(1000);
  expect(tried).toEqual(['c-2 b']);
});
