/** Time as an argument, in milliseconds: wall-clock time since the epoch, and a monotonic clock. */
export type Clock = {
  readonly now: () => number;
  readonly monotonic: () => number;
};
