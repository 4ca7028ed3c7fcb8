/** Thrown when a request cannot be read in exactly one way. The message holds no value of it. */
export class InputError extends Error {}

/** A body deeper than this is refused; no operation of AWS nests its input as deeply. */
export const MAX_DEPTH = 64;

/**
 * A body of more values is refused: read, one of 8 MiB could take 300 MB and seconds. The largest that
 * SDKs send, batches of vectors for DynamoDB, have about 150,000.
 */
export const MAX_VALUES = 250_000;
