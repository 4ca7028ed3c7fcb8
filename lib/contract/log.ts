/**
 * Fields of a log line, beside its constant message. The type rejects values that could contain a
 * secret: a pod, a request, a response, an error's cause.
 */
export type LogFields = Readonly<Record<string, string | number | boolean | readonly string[]>>;
export type Log = Readonly<Record<'debug' | 'info' | 'warn' | 'error', LogLine>>;
export type LogLine = (message: string, fields?: LogFields) => void;
