/** One thing that the demo shows, and whether it came as expected. */
export type ResultLine = {
  readonly name: string;
  readonly expected: string;
  readonly got: string;
  readonly met: boolean;
  readonly milliseconds: number;
};

/** A line whose `got` has to be `expected`, word for word; `detail` is for people. */
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

const NAME_WIDTH = 34;
const TIME_WIDTH = 9;

/** A row of the table. */
export const renderLine = ({ name, expected, got, met, milliseconds }: ResultLine): string => {
  const time = `${milliseconds} ms`.padStart(TIME_WIDTH);
  const outcome = met ? got : `expected ${expected}, got ${got}`;
  return `${met ? '✓' : '✗'} ${name.padEnd(NAME_WIDTH)} ${time}  ${outcome}`;
};
