import type { Defaulted, Reader } from '../schema/reader.ts';

/** A default beside its name. */
export function withDefault<T>(reader: Reader<T>, otherwise: NoInfer<T>): Defaulted<T> {
  return { reader, otherwise };
}

/** A group left out is a group of defaults; what it requires is then missing under its own name. */
export function withEmptyDefault<T>(reader: Reader<T>): Reader<T> {
  return (given, path, faults) => reader(given === undefined ? {} : given, path, faults);
}
