import { readQuantity } from '../schema/quantity.ts';
import { rejectValue, type Reader } from '../schema/reader.ts';

const MIB = 1024 * 1024;

/** Reads a Kubernetes quantity such as `512Mi` or `10Gi` as bytes, from `min` to `max`, which are whole MiB. */
export const quantityBytes =
  ({ min, max }: { min: number; max?: number }): Reader<number> =>
  (given, path, faults) => {
    const amount = typeof given === 'string' ? readQuantity(given) : undefined;
    const bytes = amount === undefined ? 0 : Number(amount / 10n ** 9n);
    if (bytes >= min && bytes <= (max ?? Infinity)) return bytes;
    const range =
      max === undefined ? `of at least ${min / MIB}Mi` : `from ${min / MIB}Mi to ${max / MIB}Mi`;
    return rejectValue(faults, {
      path,
      expected: `a quantity ${range}, such as 16Mi`,
      value: given,
    });
  };
