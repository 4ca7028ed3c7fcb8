/** Lifetime of a grant from `iat` to `exp`. */
export const GRANT_LIFETIME_SECONDS = 60;

/**
 * `iat` is this far in the past. A cloud whose clock is behind by the largest accepted skew does not
 * reject the grant as issued in the future, and one that is ahead by as much finds it still valid.
 */
export const GRANT_BACKDATE_SECONDS = 30;

/** `max-age` of the issuer documents that the authority serves. */
export const DOCUMENTS_MAX_AGE_SECONDS = 300;

/** Largest age of the keys in a JWKS response to a cloud. */
export const JWKS_FRESH_MS = 250;
