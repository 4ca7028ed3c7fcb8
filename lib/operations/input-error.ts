/** Thrown when a request cannot be read in exactly one way. The message holds no value of it. */
export class InputError extends Error {}

/** A body deeper than this is refused; no operation of AWS nests its input as deeply. */
export const MAX_DEPTH = 64;
