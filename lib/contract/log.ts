/**
 * A log line: a constant message and allow-listed fields. Nothing that could hold a secret (a pod,
 * a request, a response, an error's cause) has a type that fits.
 */
export type LogFields = Readonly<Record<string, string | number | boolean | readonly string[]>>;
export type Log = Readonly<Record<'debug' | 'info' | 'warn' | 'error', LogLine>>;
export type LogLine = (message: string, fields?: LogFields) => void;
