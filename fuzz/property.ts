import fc from 'fast-check';

/** Something that holds for every input; and how it is tried. */
export type Property = {
  /** A sentence. */
  readonly name: string;
  /** Cases in the test command. */
  readonly runs: number;
  /**
   * Tries it.
   *
   * @throws Error with the smallest counterexample, its seed and path
   */
  readonly check: (trial: Trial) => Promise<void>;
  /** Lets go of what it opened. */
  readonly close?: () => Promise<void>;
};

export type Trial = {
  readonly runs: number;
  /** Of an earlier failure, to see it again. */
  readonly seed?: number;
  readonly path?: string;
};

/**
 * Makes a property.
 *
 * @param holds throws where it does not hold
 * @param examples what did not hold once: tried first, each time
 */
export const createProperty = <T>(
  name: string,
  {
    runs,
    inputs,
    holds,
    examples = [],
  }: {
    readonly runs: number;
    readonly inputs: fc.Arbitrary<T>;
    readonly holds: (input: T) => void | Promise<void>;
    readonly examples?: readonly T[];
  },
): Property => ({
  name,
  runs,
  check: ({ runs: numRuns, ...again }) =>
    fc.assert(
      fc.asyncProperty(inputs, async (input) => holds(input)),
      { numRuns, examples: examples.map((example) => [example]), ...again },
    ),
});
