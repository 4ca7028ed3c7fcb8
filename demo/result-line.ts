/** One line of the demo, and whether its result is the expected one. */
export type ResultLine = {
  readonly name: string;
  readonly expected: string;
  readonly got: string;
  readonly met: boolean;
  readonly milliseconds: number;
};

/** Builds a line that is met if `got` equals `expected`. `detail` is shown to the reader only. */
export const buildLine = (given: {
  readonly name: string;
  readonly expected: string;
  readonly got: string;
  readonly detail?: string;
  readonly milliseconds: number;
}): ResultLine => {
  const { name, expected, got, detail, milliseconds } = given;
  return {
    name,
    expected,
    got: detail === undefined ? got : `${got} (${detail})`,
    met: got === expected,
    milliseconds: Math.round(milliseconds),
  };
};

type Outcome = readonly [got: string, expected: string];

/** What was expected if each outcome is, otherwise each outcome. */
export const summarize = (expected: string, outcomes: readonly Outcome[]): string =>
  outcomes.every(([got, wanted]) => got === wanted)
    ? expected
    : outcomes.map(([got]) => got).join('; ');

const NAME_WIDTH = 36;
const TIME_WIDTH = 9;

/** Formats a row of the table. */
export const renderLine = ({ name, expected, got, met, milliseconds }: ResultLine): string => {
  const time = `${milliseconds} ms`.padStart(TIME_WIDTH);
  const outcome = met ? got : `expected ${expected}, got ${got}`;
  return `${met ? '✓' : '✗'} ${name.padEnd(NAME_WIDTH)} ${time}  ${outcome}`;
};
