import { fail, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import { type Invalid, type Reader } from '../schema/reader.ts';

/** One variable of the environment. */
type Setting<T> = {
  readonly name: string;
  /** One line for `--help`. */
  readonly help: string;
  readonly reader: Reader<T>;
  /** What stands in for a missing or empty variable, written as one would; absent: required. */
  readonly otherwise?: string;
};

type Environment = Readonly<Record<string, string | undefined>>;
type SettingTable = Readonly<Record<string, Setting<unknown>>>;
export type ParsedSettings<S extends SettingTable> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T> ? Exclude<T, Invalid> : never;
};

/** Every variable of ours begins so. */
const PREFIX = 'VALETKEY_';
/** What the kubelet adds for a Service whose name begins with ours (docker-links variables). */
const SERVICE_LINK =
  /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;

/**
 * Reads a program's settings from its environment, once: every value typed, or every fault, each
 * naming its variable. A `VALETKEY_…` variable that no setting knows is a fault too: a misspelt name
 * must not be ignored.
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
    .filter((name) => name.startsWith(PREFIX) && !known.has(name) && !SERVICE_LINK.test(name))
    .map((path) => ({ path, expected: 'a setting of this program', got: 'an unknown name' }));
};

/** The table as `--help` prints it, one setting a line. */
export const formatSettingsHelp = (table: SettingTable): string => {
  const width = Math.max(...Object.values(table).map(({ name }) => name.length));
  return Object.values(table)
    .map(({ name, help, otherwise }) => {
      const default_ = otherwise === undefined ? 'required' : `default: ${otherwise || 'none'}`;
      return `  ${name.padEnd(width)}  ${help} (${default_})`;
    })
    .join('\n');
};
