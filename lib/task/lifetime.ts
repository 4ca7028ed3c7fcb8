import type { TaskLimits } from '../contract/platform.ts';
import type { Reader } from '../reading/reader.ts';
import { converted } from './text.ts';

/** Reads `90s`, `10m` or `1h`, between the platform's floor and ceiling, into seconds. */
export const lifetimeReader = (limits: TaskLimits): Reader<number> => {
  const { lifetimeFloorSeconds: floor, lifetimeCeilingSeconds: ceiling } = limits;
  const expected = `a lifetime such as 90s, 10m or 1h, from ${write(floor)} to ${write(ceiling)}`;
  return converted(expected, (text) => {
    const seconds = parseLifetime(text);
    return seconds !== undefined && seconds >= floor && seconds <= ceiling ? seconds : undefined;
  });
};

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

const parseLifetime = (text: string): number | undefined => {
  const [, amount, unit] = /^([1-9]\d{0,5})([smh])$/.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * (UNITS[unit ?? ''] ?? NaN);
};

const write = (seconds: number): string => {
  const [unit, size] = Object.entries(UNITS).findLast(([, each]) => seconds % each === 0) ?? [
    's',
    1,
  ];
  return `${seconds / size}${unit}`;
};
