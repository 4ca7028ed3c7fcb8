/** Something went wrong and is tried again: a constant message, and the error to be logged. */
export type OnFailure = (message: string, error: unknown) => void;
