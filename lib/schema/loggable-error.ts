/** An error whose message is ours from end to end, quotes nothing, and may therefore be logged. */
export class LoggableError extends Error {
  override readonly name = 'StatedError';
}
