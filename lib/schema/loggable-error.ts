/** An error whose message quotes no input, so that it may be logged. */
export class LoggableError extends Error {
  override readonly name = 'StatedError';
}
