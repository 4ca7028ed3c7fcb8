import { ALGORITHM, formatScope, type CredentialScope } from './canonical.ts';

/** Why a signature is refused. The codes are those of the gateway's refusal table. */
export type SignatureFault = {
  readonly code:
    | 'request_malformed'
    | 'sigv4a'
    | 'presigned'
    | 'header_unsigned'
    | 'clock_skew'
    | 'signature_invalid';
  readonly message: string;
};

/** The content of an `Authorization` header of SigV4. */
export type Authorization = {
  readonly accessKeyId: string;
  readonly scope: CredentialScope;
  /** Lower-case, sorted, each once. */
  readonly signedHeaders: readonly string[];
  /** 64 lower-case hexadecimal digits. */
  readonly signature: string;
};

export type AuthorizationResult =
  | { readonly ok: true; readonly authorization: Authorization }
  | { readonly ok: false; readonly fault: SignatureFault };

const CREDENTIAL =
  /^([A-Za-z0-9]{16,128})\/(\d{8})\/([a-z0-9-]{1,64})\/([a-z0-9-]{1,64})\/aws4_request$/;
/** Clients of HTTP/2 sign `:authority` in place of `host`; it is sorted before all names but digits. */
const HEADER_LIST = /^(?::authority|[a-z0-9-]+)(?:;(?::authority|[a-z0-9-]+))*$/;
const SIGNATURE = /^[0-9a-f]{64}$/;
const FIELDS = ['Credential', 'SignedHeaders', 'Signature'] as const;

const refuse = (code: SignatureFault['code'], message: string): AuthorizationResult => ({
  ok: false,
  fault: { code, message },
});

/** Splits `Credential=…, SignedHeaders=…, Signature=…`; each of the three exactly once, in any order. */
const readFields = (text: string): ReadonlyMap<string, string> | undefined => {
  const parts = text.split(/, */);
  const fields = new Map(
    parts.map((part) => {
      const [name = '', ...value] = part.split('=');
      return [name, value.join('=')];
    }),
  );
  const isComplete = FIELDS.every((name) => fields.has(name));
  return isComplete && parts.length === FIELDS.length ? fields : undefined;
};

const isSortedOnce = (names: readonly string[]): boolean =>
  names.every((name, index) => index === 0 || (names[index - 1] ?? '') < name);

/**
 * Parses an `Authorization` header of SigV4. The access key ID finds the keys; nothing else in the
 * result is proved before the signature is verified.
 */
export const parseAuthorization = (header: string): AuthorizationResult => {
  const [scheme = ''] = header.split(' ', 1);
  if (scheme.startsWith('AWS4-ECDSA-')) {
    return refuse(
      'sigv4a',
      `expected a signature of ${ALGORITHM}, found one of ${scheme} (SigV4a)`,
    );
  }
  const fields = scheme === ALGORITHM ? readFields(header.slice(scheme.length + 1)) : undefined;
  const credential = CREDENTIAL.exec(fields?.get('Credential') ?? '');
  const headerList = fields?.get('SignedHeaders') ?? '';
  const signature = fields?.get('Signature') ?? '';
  const signedHeaders = headerList.split(';');
  if (
    credential === null ||
    !HEADER_LIST.test(headerList) ||
    !isSortedOnce(signedHeaders) ||
    !SIGNATURE.test(signature)
  ) {
    return refuse(
      'request_malformed',
      `expected an Authorization header "${ALGORITHM} Credential=<key>/<date>/<region>/<service>/` +
        'aws4_request, SignedHeaders=<sorted names>, Signature=<64 hexadecimal digits>"',
    );
  }
  const [, accessKeyId = '', date = '', region = '', service = ''] = credential;
  const scope = { date, region, service };
  return { ok: true, authorization: { accessKeyId, scope, signedHeaders, signature } };
};

/** Formats the header that {@link parseAuthorization} parses. */
export const formatAuthorization = ({
  accessKeyId,
  scope,
  signedHeaders,
  signature,
}: Authorization): string =>
  `${ALGORITHM} Credential=${accessKeyId}/${formatScope(scope)}, ` +
  `SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`;
