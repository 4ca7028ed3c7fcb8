import { computeMedian, round } from '../test/kit/statistics.ts';

/** One published number. `ratio` is value ÷ baseline; null where there is nothing to compare with. */
export type Row = {
  name: string;
  value: number;
  unit: string;
  baseline: number | null;
  ratio: number | null;
  /** The goal as text, such as `ratio ≥ 1.2`; null: published for information. */
  goal: string | null;
  met: boolean | null;
  note?: string;
};

export type Goal = {
  of: 'value' | 'ratio';
  must: 'be at least' | 'be at most' | 'equal';
  number: number;
};

export type MeasuredValues = {
  name: string;
  unit: string;
  /** One value per repeat. */
  values: readonly number[];
  /** Of the bare Go program, measured between ours; empty without Go; absent: nothing to compare. */
  baselines?: readonly number[];
  goal?: Goal;
};

const comparisonSigns = { 'be at least': '≥', 'be at most': '≤', equal: '=' } as const;

/** Medians of the repeats, their ratio, and whether the goal is met. */
export function toRow({ name, unit, values, baselines, goal }: MeasuredValues): Row {
  const value = round(computeMedian(values));
  const bare = baselines === undefined || baselines.length === 0 ? null : computeMedian(baselines);
  const baseline = bare === null ? null : round(bare);
  const ratio = bare === null ? null : round(computeMedian(values) / bare);
  return {
    name,
    value,
    unit,
    baseline,
    ratio,
    goal: goal === undefined ? null : formatGoal(goal, unit),
    met: goal === undefined ? null : isMet(goal, { value, ratio }),
    ...(baselines?.length === 0 && { note: 'no Go on this machine: nothing to compare with' }),
  };
}

function formatGoal({ of, must, number }: Goal, unit: string): string {
  return of === 'ratio'
    ? `ratio ${comparisonSigns[must]} ${number}`
    : `${comparisonSigns[must]} ${number} ${unit}`;
}

function isMet(goal: Goal, measured: Pick<Row, 'value' | 'ratio'>): boolean | null {
  const number = measured[goal.of];
  if (number === null) return null;
  switch (goal.must) {
    case 'be at least':
      return number >= goal.number;
    case 'be at most':
      return number <= goal.number;
    case 'equal':
      return number === goal.number;
  }
}

/** The rows as a table for people. */
export function renderTable(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.name,
    `${row.value} ${row.unit}`,
    row.baseline === null ? '–' : String(row.baseline),
    row.ratio === null ? '–' : String(row.ratio),
    row.goal ?? '–',
    row.met === null ? '–' : row.met ? 'yes' : 'NO',
  ]);
  const table = [['', 'ours', 'bare Go', 'ratio', 'goal', 'met'], ...cells];
  const widths = (table[0] ?? []).map((_, column) =>
    Math.max(...table.map((line) => line[column]?.length ?? 0)),
  );
  const lines = table.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const notes = rows.flatMap(({ name, note }) => (note === undefined ? [] : [`${name}: ${note}`]));
  return [...lines, ...notes].join('\n');
}
