import type { Defaulted, Reader } from '../schema/reader.ts';

/** A member with a default. */
export function withDefault<T>(reader: Reader<T>, otherwise: NoInfer<T>): Defaulted<T> {
  return { reader, otherwise };
}

/** Reads an absent group as an empty one: its defaults apply, and a required member is reported by its name. */
export function withEmptyDefault<T>(reader: Reader<T>): Reader<T> {
  return (given, path, faults) => reader(given === undefined ? {} : given, path, faults);
}
