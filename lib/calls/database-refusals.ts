import { renderFatalError } from '../postgres/messages.ts';
import { CALL_REFUSALS, type CallRefusal, type CallRefusalCode } from './call-refusals.ts';

/** "PostgreSQL Error Codes": what drivers decide by whether they try again. */
const SQL_STATES: Partial<Record<CallRefusalCode, string>> = {
  // invalid_password
  key_required: '28P01',
  // insufficient_privilege
  action_outside: '42501',
  resource_outside: '42501',
  route_unknown: '42501',
  // too_many_connections
  overloaded: '53300',
};

/** By status: protocol_violation, connection_failure, cannot_connect_now. */
const BY_STATUS: Readonly<Record<number, string>> = { 400: '08P01', 502: '08006', 503: '57P03' };
/** invalid_authorization_specification */
const OTHERWISE = '28000';
/** The server's messages are shorter; a client that waits for its login reads no more than 30,000 bytes. */
const MAX_MESSAGE = 1_000;

/** Renders a refusal as the fatal error of a server, after which the connection is closed. */
export const renderDatabaseRefusal = ({ code, message }: CallRefusal): Buffer =>
  renderFatalError({
    sqlState: SQL_STATES[code] ?? BY_STATUS[CALL_REFUSALS[code].status] ?? OTHERWISE,
    message: `valetkey: ${message.slice(0, MAX_MESSAGE).replaceAll('\0', '')} (${code})`,
  });
