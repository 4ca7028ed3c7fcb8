import { fail, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import { type Invalid, type Reader } from '../schema/reader.ts';

/** One variable of the environment. */
type Setting<T> = {
  readonly name: string;
  /** One line for `--help`. */
  readonly help: string;
  readonly reader: Reader<T>;
  /** Default for a missing or empty variable, as text; absent: the variable is required. */
  readonly otherwise?: string;
};

type Environment = Readonly<Record<string, string | undefined>>;
type SettingTable = Readonly<Record<string, Setting<unknown>>>;
export type ParsedSettings<S extends SettingTable> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T> ? Exclude<T, Invalid> : never;
};

/** Prefix of every variable that Valetkey defines. */
const PREFIX = 'VALETKEY_';
const SERVICE_LINK =
  /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;

/** Whether the kubelet may set this variable for a Service of that name (docker-links variables). */
export const isServiceLink = (name: string): boolean => SERVICE_LINK.test(name);

/**
 * Reads a program's settings from its environment. An unknown `VALETKEY_…` variable is an error, because
 * a misspelled name must not be ignored.
 *
 * @returns typed values, or all errors, each with its variable as `path`
 */
export const readSettings = <S extends SettingTable>(
  table: S,
  environment: Environment,
): Result<ParsedSettings<S>> => {
  const faults: FieldError[] = findUnknownNames(table, environment);
  const entries = Object.entries(table).map(([key, { name, reader, otherwise }]) => {
    const given = environment[name] ?? '';
    return [key, reader(given === '' ? otherwise : given, name, faults)] as const;
  });
  return faults.length > 0
    ? fail(faults)
    : succeed(Object.fromEntries(entries) as ParsedSettings<S>);
};

const findUnknownNames = (table: SettingTable, environment: Environment): FieldError[] => {
  const known = new Set(Object.values(table).map(({ name }) => name));
  return Object.keys(environment)
    .filter((name) => name.startsWith(PREFIX) && !known.has(name) && !isServiceLink(name))
    .map((path) => ({ path, expected: 'a setting of this program', got: 'an unknown name' }));
};

/** Formats the settings for `--help`, one per line. */
export const formatSettingsHelp = (table: SettingTable): string => {
  const width = Math.max(...Object.values(table).map(({ name }) => name.length));
  return Object.values(table)
    .map(({ name, help, otherwise }) => {
      const default_ = otherwise === undefined ? 'required' : `default: ${otherwise || 'none'}`;
      return `  ${name.padEnd(width)}  ${help} (${default_})`;
    })
    .join('\n');
};
