import type { ServerMessage } from './messages.ts';

/** One row: a text for each column, or NULL. */
export type Row = readonly (string | null)[];

/** Reads a `DataRow` whose columns have the text format. @throws RangeError if it is shorter than it says */
export const readRow = (payload: Buffer): Row => {
  const row: (string | null)[] = [];
  for (let at = 2, left = payload.readInt16BE(0); left > 0; left -= 1) {
    const length = payload.readInt32BE(at);
    at += 4;
    if (length > payload.length - at) throw new RangeError('PostgreSQL row: expected more bytes');
    row.push(length < 0 ? null : payload.toString('utf8', at, at + length));
    at += Math.max(length, 0);
  }
  return row;
};

export type ServerError = {
  /** SQLSTATE. */
  readonly sqlState: string;
  /** The first line; servers quote no statement in it, but names. */
  readonly message: string;
};

/** Reads the fields of an `ErrorResponse`. */
export const readServerError = ({ payload }: Pick<ServerMessage, 'payload'>): ServerError => {
  const fields = payload.toString('utf8').split('\0');
  const find = (code: string): string =>
    fields.find((field) => field.startsWith(code))?.slice(1) ?? '';
  return { sqlState: find('C'), message: find('M') };
};
