/** A grant's life from `iat` to `exp`. */
export const GRANT_LIFETIME_SECONDS = 60;

/**
 * How far `iat` lies in the past: a cloud whose clock is behind ours by less than the largest skew
 * that we bear would otherwise hold the grant to be of the future, and one that is ahead by as much
 * finds it alive still.
 */
export const GRANT_BACKDATE_SECONDS = 30;

/** For how long others may hold a copy of the issuer's documents, where the authority serves them. */
export const DOCUMENTS_MAX_AGE_SECONDS = 300;

/** How old the keys may be that are served to a cloud which has just asked for them. */
export const JWKS_FRESH_MS = 250;
