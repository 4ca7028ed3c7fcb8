import { rejectValue, type Reader } from '../schema/reader.ts';

const UNIT_SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
const DURATION = /^(\d{1,6})([smhd])$/;

/** Reads a duration such as `30s`, `10m`, `1h` or `7d` as seconds, from `min` to `max`. */
export const durationSeconds =
  ({ min, max }: { min: number; max: number }): Reader<number> =>
  (given, path, faults) => {
    const [, amount, unit] = DURATION.exec(typeof given === 'string' ? given : '') ?? [];
    const seconds = Number(amount) * UNIT_SECONDS[(unit ?? 's') as keyof typeof UNIT_SECONDS];
    if (seconds >= min && seconds <= max) return seconds;
    const expected = `a duration such as 30s, 10m or 1h, from ${min}s to ${max}s`;
    return rejectValue(faults, { path, expected, value: given });
  };
