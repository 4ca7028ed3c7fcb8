/** Reports a failure that will be retried: a constant message, and the error to log. */
export type OnFailure = (message: string, error: unknown) => void;
