/** Renders aligned columns, two spaces apart, without trailing spaces. */
export const renderTable = (
  header: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] => {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
};

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
] as const;

/** Formats an age in the largest unit with a value of at least two: `90s`, `45m`, `36h`, `12d`. */
export const formatAge = (milliseconds: number): string => {
  if (!Number.isFinite(milliseconds)) return 'unknown';
  const [unit, size] = UNITS.find(([, each]) => milliseconds >= 2 * each) ?? ['s', 1000];
  return `${Math.max(0, Math.floor(milliseconds / size))}${unit}`;
};
