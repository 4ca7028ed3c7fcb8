import type { RuleGroup } from './alert-rules.ts';

const SECONDS: ReadonlyMap<string, number> = new Map([
  ['s', 1],
  ['m', 60],
  ['h', 3600],
  ['d', 86_400],
]);
/** Prometheus calculates no rate from fewer than two scrapes. */
const MIN_WINDOW_SECONDS = 10;

/** A floor of traffic: `increase(requests_total[10m])) >= 20`. */
const FLOOR = /(\bincrease\(.*?\[(\w+)\]\)+) >= (\d+)/gs;

/**
 * Divides every duration of rules, that is `for`, ranges and offsets, so that a test need not wait as long, and the
 * least number of events in a range as its range. Everything else remains: other thresholds, labels, and seconds as
 * numbers. Windows remain at least ten seconds long.
 */
export const shortenRules = (
  groups: readonly RuleGroup[],
  divisor: number,
): readonly RuleGroup[] => {
  const shorten = (duration: string, minSeconds = 0): string =>
    `${Math.max(minSeconds, Math.ceil(toSeconds(duration) / divisor))}s`;
  const shortenFloor = (range: string, floor: string): string => {
    const share = Number.parseInt(shorten(range, MIN_WINDOW_SECONDS), 10) / toSeconds(range);
    return `${Math.max(1, Math.ceil(Number(floor) * share))}`;
  };
  const shortenExpr = (expr: string): string =>
    expr
      .replaceAll(
        FLOOR,
        (_, sum: string, range: string, floor: string) => `${sum} >= ${shortenFloor(range, floor)}`,
      )
      .replaceAll(/\[(\w+)\]/g, (_, range: string) => `[${shorten(range, MIN_WINDOW_SECONDS)}]`)
      .replaceAll(
        /\boffset (\w+)/g,
        (_, offset: string) => `offset ${shorten(offset, MIN_WINDOW_SECONDS)}`,
      );
  return groups.map(({ name, rules }) => ({
    name,
    rules: rules.map((rule) => ({
      ...rule,
      expr: shortenExpr(rule.expr),
      ...('for' in rule && { for: shorten(rule.for) }),
    })),
  }));
};

const toSeconds = (duration: string): number => {
  const [, count = '', unit = ''] = /^(\d+)([smhd])$/.exec(duration) ?? [];
  const seconds = SECONDS.get(unit);
  if (seconds === undefined)
    throw new Error(`duration: expected a number with s, m, h or d, got ${duration}`);
  return Number(count) * seconds;
};
