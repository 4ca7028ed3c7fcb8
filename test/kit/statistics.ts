/** The middle of the values (the mean of the two middle ones). */
export function computeMedian(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)];
  const lower = sorted[Math.ceil(middle) - 1];
  if (upper === undefined || lower === undefined) {
    throw new Error('median: expected at least one value, got none');
  }
  return (upper + lower) / 2;
}

/** The value that `share` (0 to 1) of the values do not exceed. */
export function computePercentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const found = sorted[Math.floor(share * (sorted.length - 1))];
  if (found === undefined) throw new Error('percentile: expected at least one value, got none');
  return found;
}

/** Three significant digits: more would claim what repeats do not show. */
export const round = (value: number): number => Number(value.toPrecision(3));
