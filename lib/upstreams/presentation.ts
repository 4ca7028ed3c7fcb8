import type { IssuedSecret } from '../contract/upstream.ts';
import type { HttpUpstream, Presentation } from './upstream.ts';

/** 16 characters are the shortest that the scanner of answers can look for without false alarms. */
const MIN_SECRET_LENGTH = 16;
export const MAX_SECRET_LENGTH = 16 * 1024;

/** Why a secret is not usable; never the secret. */
export type SecretFault = 'too_short' | 'too_long' | 'control_characters';

/**
 * Checks the text of a secret before it is put into a header: a line break in it would add headers.
 *
 * @returns undefined if it is usable
 */
export const checkSecretText = (secret: string): SecretFault | undefined => {
  const length = Buffer.byteLength(secret);
  if (length < MIN_SECRET_LENGTH) return 'too_short';
  if (length > MAX_SECRET_LENGTH) return 'too_long';
  return /^[!-~]+(?: [!-~]+)*$/.test(secret) ? undefined : 'control_characters';
};

/** Renders the headers that present a secret (RFC 7617 for `basic`). Names are in lower case. */
export const renderPresentation = (
  present: Presentation,
  secret: string,
): Readonly<Record<string, string>> =>
  present.kind === 'header'
    ? // A function, because `$&` in a secret is no reference.
      { [present.name]: present.template.replace('{secret}', () => secret) }
    : {
        authorization: `Basic ${Buffer.from(`${present.username}:${secret}`).toString('base64')}`,
      };

/**
 * Builds what the sidecar gets for a run.
 *
 * @param secret checked by {@link checkSecretText}; undefined for an Upstream without one
 */
export const buildHttpSecret = (
  { rules, access }: HttpUpstream,
  secret: string | undefined,
): IssuedSecret => ({
  kind: 'http',
  headers:
    access === undefined || secret === undefined ? {} : renderPresentation(access.present, secret),
  echoes: secret === undefined ? [] : [secret],
  upstream: rules,
});
