const SUFFIXES: Readonly<Record<string, bigint>> = {
  n: 1n,
  u: 10n ** 3n,
  m: 10n ** 6n,
  '': 10n ** 9n,
  k: 10n ** 12n,
  M: 10n ** 15n,
  G: 10n ** 18n,
  T: 10n ** 21n,
  P: 10n ** 24n,
  E: 10n ** 27n,
  Ki: 2n ** 10n * 10n ** 9n,
  Mi: 2n ** 20n * 10n ** 9n,
  Gi: 2n ** 30n * 10n ** 9n,
  Ti: 2n ** 40n * 10n ** 9n,
  Pi: 2n ** 50n * 10n ** 9n,
  Ei: 2n ** 60n * 10n ** 9n,
};
const QUANTITY =
  /^([+-]?)(\d{0,40})(?:\.(\d{0,40}))?(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,2}))?$/;

/**
 * Reads a Kubernetes quantity (`500m`, `64Mi`, `1e3`) as a whole number of billionths. The API server
 * rewrites quantities (`0.1` becomes `100m`), so only amounts can be compared.
 *
 * @returns undefined if the text is not a quantity, or is finer than a billionth
 */
export const readQuantity = (text: unknown): bigint | undefined => {
  const parts = QUANTITY.exec(String(text));
  if (parts === null || !/\d/.test(`${parts[2] ?? ''}${parts[3] ?? ''}`)) return undefined;
  const [, sign, whole = '', fraction = '', suffix = '', exponent = '0'] = parts;
  const power = Number(exponent) - fraction.length;
  const scaled = BigInt(`${whole}${fraction}`) * (SUFFIXES[suffix] ?? 0n);
  const amount =
    power < 0 ? divideExactly(scaled, 10n ** BigInt(-power)) : scaled * 10n ** BigInt(power);
  return amount !== undefined && sign === '-' ? -amount : amount;
};

/** Whether both are quantities of the same amount. */
export const isSameQuantity = (left: unknown, right: unknown): boolean => {
  const amount = readQuantity(left);
  return amount !== undefined && amount === readQuantity(right);
};

/** Units in which a sum is written, the largest first. */
const UNITS = ['Ti', 'Gi', 'Mi', 'Ki', '', 'm', 'u', 'n'] as const;

/**
 * Adds two Kubernetes quantities, in the largest unit that needs no fraction (`500m` and `100m` are
 * `600m`).
 *
 * @returns undefined if one is not a quantity
 */
export const addQuantities = (left: unknown, right: unknown): string | undefined => {
  const [one, other] = [readQuantity(left), readQuantity(right)];
  if (one === undefined || other === undefined) return undefined;
  const sum = one + other;
  const unit = UNITS.find((each) => sum % (SUFFIXES[each] ?? 1n) === 0n) ?? 'n';
  return `${sum / (SUFFIXES[unit] ?? 1n)}${unit}`;
};

const divideExactly = (dividend: bigint, divisor: bigint): bigint | undefined =>
  dividend % divisor === 0n ? dividend / divisor : undefined;
