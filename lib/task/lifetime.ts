import type { TaskLimits } from '../contract/platform.ts';
import type { Reader } from '../schema/reader.ts';
import { convertText } from './hidden-characters.ts';

/** Reads `90s`, `10m` or `1h` as seconds, between the platform's minimum and maximum. */
export const createLifetimeReader = (limits: TaskLimits): Reader<number> => {
  const { minLifetimeSeconds: min, maxLifetimeSeconds: max } = limits;
  const expected = `a lifetime such as 90s, 10m or 1h, from ${formatLifetime(min)} to ${formatLifetime(max)}`;
  return convertText(expected, (text) => {
    const seconds = parseLifetime(text);
    return seconds !== undefined && seconds >= min && seconds <= max ? seconds : undefined;
  });
};

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

const parseLifetime = (text: string): number | undefined => {
  const [, amount, unit] = /^([1-9]\d{0,5})([smh])$/.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * (UNITS[unit ?? ''] ?? NaN);
};

const formatLifetime = (seconds: number): string => {
  const [unit, size] = Object.entries(UNITS).findLast(([, each]) => seconds % each === 0) ?? [
    's',
    1,
  ];
  return `${seconds / size}${unit}`;
};
