import { expect, test } from '@jest/globals';

import { revocation } from './fixtures/revocations.ts';
import { openRunOwners } from './run-owners.ts';

/** A run belongs to the pod that it begins with. */
const open = () => {
  const tried: string[] = [];
  const owners = openRunOwners((run, podUid) => {
    tried.push(`${run} ${podUid}`);
    return run.startsWith(`${podUid}-`);
  });
  const namesOf = (podUid: string) => {
    owners.advance(1000);
    return owners.ownedBy(podUid).map(({ name }) => name);
  };
  return { owners, tried, namesOf };
};
const ofRun = (run: string) => revocation(run, { run });

test('a run is told to the pod that it belongs to, in whatever order they come', () => {
  const { owners, namesOf } = open();
  owners.replace([ofRun('a-1'), ofRun('b-1')]);
  owners.join('a');
  owners.join('b');
  owners.replace([ofRun('a-1'), ofRun('b-1'), ofRun('a-2')]);
  expect(namesOf('a')).toEqual(['a-1', 'a-2']);
  expect(namesOf('b')).toEqual(['b-1']);
  expect(namesOf('c')).toEqual([]);
});

test('no pair is tried twice while both stay, and none once the owner is known', () => {
  const { owners, tried } = open();
  owners.join('a');
  owners.join('b');
  owners.replace([ofRun('b-1'), ofRun('c-1')]);
  owners.advance(1000);
  owners.replace([ofRun('b-1'), ofRun('c-1')]);
  owners.join('d');
  expect(owners.advance(1000)).toEqual({ gained: [], isDone: true });
  expect(tried.toSorted()).toEqual(['b-1 a', 'b-1 b', 'c-1 a', 'c-1 b', 'c-1 d']);
});

test('a Revocation that is gone is told no more, and one of its name is another', () => {
  const { owners, namesOf } = open();
  owners.join('a');
  owners.replace([ofRun('a-1')]);
  owners.replace([]);
  expect(namesOf('a')).toEqual([]);
  owners.replace([{ ...revocation('x', { run: 'b-1' }), uid: 'first' }]);
  owners.replace([{ ...revocation('x', { run: 'a-1' }), uid: 'second' }]);
  expect(namesOf('a')).toEqual(['x']);
});

test('a pod that left and came again is told what it was told before', () => {
  const { owners, namesOf } = open();
  owners.replace([ofRun('a-1')]);
  owners.join('a');
  owners.leave('a');
  expect(namesOf('a')).toEqual([]);
  owners.join('a');
  expect(namesOf('a')).toEqual(['a-1']);
});

test('a pod that listens twice listens until it has left twice', () => {
  const { owners, namesOf } = open();
  owners.join('a');
  owners.join('a');
  owners.leave('a');
  owners.replace([ofRun('a-1')]);
  expect(namesOf('a')).toEqual(['a-1']);
});

test('many pairs are tried in portions, the newest Revocations first', () => {
  const { owners, tried } = open();
  owners.join('a');
  owners.join('b');
  owners.replace([
    revocation('old', { run: 'a-1' }, 1_000),
    revocation('new', { run: 'b-1' }, 2_000),
  ]);
  expect(owners.advance(1)).toEqual({ gained: [], isDone: false });
  expect(owners.advance(1)).toEqual({ gained: ['b'], isDone: false });
  expect(tried).toEqual(['b-1 a', 'b-1 b']);
  expect(owners.advance(5)).toEqual({ gained: ['a'], isDone: true });
});

test('what left or was lifted meanwhile is not tried', () => {
  const { owners, tried } = open();
  owners.join('a');
  owners.join('b');
  owners.replace([ofRun('c-1'), ofRun('c-2')]);
  owners.leave('a');
  owners.replace([ofRun('c-2')]);
  owners.advance(1000);
  expect(tried).toEqual(['c-2 b']);
});
