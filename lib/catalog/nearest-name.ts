/** A name at a greater distance is not a typing error. */
const MAX_DISTANCE = 3;

/**
 * Finds the name with the smallest edit distance (insertions, deletions, substitutions and swaps of
 * adjacent letters): at most three, and at most a third of the given length. All names in lower case.
 */
export const findNearestName = (given: string, names: Iterable<string>): string | undefined => {
  let nearest: string | undefined;
  let limit = Math.min(MAX_DISTANCE, Math.ceil(given.length / 3));
  for (const name of names) {
    const distance = measureDistance(given, name, limit);
    if (distance > limit) continue;
    [nearest, limit] = [name, distance - 1];
  }
  return nearest;
};

/** Returns the distance, or Infinity as soon as it must exceed `limit`. */
const measureDistance = (one: string, other: string, limit: number): number => {
  if (Math.abs(one.length - other.length) > limit) return Infinity;
  let before: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 1; row <= one.length; row += 1) {
    const next = computeNextRow({ one, other, row, limit, before, last });
    if (next === undefined) return Infinity;
    [before, last] = [last, next];
  }
  return getCell(last, other.length);
};

type DistanceRows = {
  readonly one: string;
  readonly other: string;
  readonly row: number;
  readonly limit: number;
  readonly before: readonly number[];
  readonly last: readonly number[];
};

/** Only columns within `limit` of the diagonal can stay within it. @returns undefined when none does */
const computeNextRow = ({
  one,
  other,
  row,
  limit,
  before,
  last,
}: DistanceRows): readonly number[] | undefined => {
  const next = Array<number>(other.length + 1).fill(Infinity);
  next[0] = row;
  let least = row;
  const end = Math.min(other.length, row + limit);
  for (let column = Math.max(1, row - limit); column <= end; column += 1) {
    const isSame = one[row - 1] === other[column - 1];
    const isSwapped = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
    const distance = Math.min(
      getCell(next, column - 1) + 1,
      getCell(last, column) + 1,
      getCell(last, column - 1) + (isSame ? 0 : 1),
      isSwapped ? getCell(before, column - 2) + 1 : Infinity,
    );
    next[column] = distance;
    least = Math.min(least, distance);
  }
  return least > limit ? undefined : next;
};

const getCell = (row: readonly number[], column: number): number => row[column] ?? Infinity;
