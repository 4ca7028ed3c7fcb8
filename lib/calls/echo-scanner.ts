import { listEchoForms } from './echo-forms.ts';

/** What {@link EchoScanner} found so far. */
export type ScanResult = {
  /** Bytes that may be sent; none from the chunk of an echo on. */
  readonly bytes: Buffer;
  readonly isEchoed: boolean;
};

/** Looks for secrets in a body, across the borders of its chunks. */
export type EchoScanner = {
  readonly push: (chunk: Buffer) => ScanResult;
  /** The bytes that were held back: the body ended within what could have become a secret. */
  readonly end: () => Buffer;
};

/**
 * The automaton of Aho and Corasick. A state is the longest beginning of a form with which the body so far
 * ends; state 0 is the empty one. Arrays, because secrets of some kilobytes have many states.
 */
type Automaton = {
  /** Next state from state 0 by byte; 0: none. */
  readonly first: Int32Array;
  /** By state: its last byte, its first successor, the next successor of its predecessor. */
  readonly byte: Uint8Array;
  readonly child: Int32Array;
  readonly sibling: Int32Array;
  /** By state: the state of the longest shorter beginning. */
  readonly fallback: Int32Array;
  /** By state: its length in bytes. */
  readonly depth: Int32Array;
  /** By state: 1 if the body now ends with a form. */
  readonly echo: Uint8Array;
};

const read = (array: Int32Array | Uint8Array, index: number): number => array[index] ?? 0;

/** @returns the successor of a state by a byte, or 0 */
const findSuccessor = ({ first, byte, child, sibling }: Automaton, from: number, value: number) => {
  if (from === 0) return read(first, value);
  let state = read(child, from);
  while (state !== 0 && read(byte, state) !== value) state = read(sibling, state);
  return state;
};

const step = (automaton: Automaton, from: number, value: number): number => {
  for (let state = from; ; state = read(automaton.fallback, state)) {
    const next = findSuccessor(automaton, state, value);
    if (next !== 0 || state === 0) return next;
  }
};

const createAutomaton = (size: number): Automaton => ({
  first: new Int32Array(256),
  byte: new Uint8Array(size),
  child: new Int32Array(size),
  sibling: new Int32Array(size),
  fallback: new Int32Array(size),
  depth: new Int32Array(size),
  echo: new Uint8Array(size),
});

/** Adds a form and returns the number of states. */
const addForm = (automaton: Automaton, form: Buffer, count: number): number => {
  const { first, byte, child, sibling, depth, echo } = automaton;
  let [state, states] = [0, count];
  for (const value of form) {
    let next = findSuccessor(automaton, state, value);
    if (next === 0) {
      next = states;
      states += 1;
      byte[next] = value;
      depth[next] = read(depth, state) + 1;
      if (state === 0) first[value] = next;
      else [sibling[next], child[state]] = [read(child, state), next];
    }
    state = next;
  }
  echo[state] = 1;
  return states;
};

/** Links each state to its longest shorter beginning, shorter states first. */
const linkStates = (automaton: Automaton): void => {
  const { byte, child, sibling, fallback, echo } = automaton;
  const queue = [...automaton.first].filter((state) => state !== 0);
  for (const state of queue) {
    for (let next = read(child, state); next !== 0; next = read(sibling, next)) {
      const shorter = step(automaton, read(fallback, state), read(byte, next));
      fallback[next] = shorter;
      if (read(echo, shorter) === 1) echo[next] = 1;
      queue.push(next);
    }
  }
};

const buildAutomaton = (forms: readonly Buffer[]): Automaton => {
  const size = forms.reduce((sum, { length }) => sum + length, 1);
  const automaton = createAutomaton(size);
  let count = 1;
  for (const form of forms) count = addForm(automaton, form, count);
  linkStates(automaton);
  return automaton;
};

/** A shorter text would often occur in answers that do not echo it. */
const MIN_LENGTH = 8;

/**
 * Prepares to look for secrets in answers, in each of {@link listEchoForms}. Takes linear time; only the
 * longest end of the body that a form could begin with is held back, so that events pass as they arrive.
 *
 * @returns creates the scanner of one body
 * @throws Error for a secret of less than 8 characters
 */
export const createEchoScanners = (secrets: readonly string[]): (() => EchoScanner) => {
  if (secrets.some(({ length }) => length < MIN_LENGTH)) {
    throw new Error(`expected secrets of at least ${MIN_LENGTH} characters`);
  }
  const automaton = buildAutomaton(secrets.flatMap(listEchoForms));
  return () => createScanner(automaton);
};

const EMPTY = Buffer.alloc(0);

const createScanner = (automaton: Automaton): EchoScanner => {
  let state = 0;
  let held: Buffer = EMPTY;
  let isEchoed = false;
  const { first, echo } = automaton;
  /** Whether the body ends with a form somewhere in this chunk. Most bytes begin none: that is the fast path. */
  const findEcho = (chunk: Buffer): boolean => {
    let current = state;
    let index = 0;
    while (index < chunk.length && read(echo, current) === 0) {
      while (current === 0 && index < chunk.length) current = read(first, chunk[index++] ?? 0);
      if (index < chunk.length) current = step(automaton, current, chunk[index++] ?? 0);
    }
    state = current;
    return read(echo, state) === 1;
  };
  return {
    push: (chunk) => {
      isEchoed ||= findEcho(chunk);
      if (isEchoed) {
        held = EMPTY;
        return { bytes: EMPTY, isEchoed };
      }
      const body = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const end = body.length - read(automaton.depth, state);
      held = Buffer.from(body.subarray(end));
      return { bytes: body.subarray(0, end), isEchoed };
    },
    end: () => held,
  };
};

/** Whether a text, such as the value of a header, shows a secret. */
export const isEchoedIn = (createScanner: () => EchoScanner, text: string): boolean =>
  createScanner().push(Buffer.from(text)).isEchoed;
