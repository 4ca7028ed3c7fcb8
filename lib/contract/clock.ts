/** Time as an argument: `now` is wall-clock, `monotonic` never jumps; both in milliseconds. */
export type Clock = {
  readonly now: () => number;
  readonly monotonic: () => number;
};
