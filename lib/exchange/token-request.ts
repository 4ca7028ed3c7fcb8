import {
  CREDENTIALS_TYPE,
  DELEGATION_TYPE,
  ID_TOKEN_TYPE,
  JWT_TYPE,
  TOKEN_EXCHANGE_GRANT,
  type TaskDetails,
} from '../contract/authority-api.ts';
import type { FieldError } from '../schema/field-error.ts';
import { object, string } from '../schema/reader.ts';
import { absent, redactedEnum, redactedText, readForm, token } from './form-reader.ts';
import { newMalformedError, type RequestError } from './token-refusal.ts';
import { taskDetails } from './task-details.ts';

/** A request to start a run (RFC 8693, section 2.1). */
export type TokenRequest = {
  /** The pod's projected token. */
  readonly podToken: string;
  /** The ID token of the human for whom the agent acts. */
  readonly userToken?: string;
  /** Handle with which another run delegated this one. */
  readonly delegation?: string;
  readonly details: TaskDetails;
  /** What the sidecar can enforce; none of an older one. */
  readonly capabilities: readonly string[];
  /** The same in every repetition of one request that got no answer. */
  readonly attempt?: string;
};

const DETAILS = 'authorization_details';
const GRANT_TYPE = 'grant_type';

/**
 * Reads the form of a token exchange. The pod's token is the subject token, or the actor token if the
 * agent acts for a human or for another agent.
 *
 * @throws RequestError with all field errors
 */
export const readTokenRequest = (text: string): TokenRequest => {
  const form = readForm(text, { names: Object.keys(FIELDS), reader: fields });
  if (!form.ok) throw toMalformedError(form.faults);
  const { subject_token: subject, subject_token_type: type, ...rest } = form.value;
  const { actor_token: actor, actor_token_type: actorType, [DETAILS]: details, attempt } = rest;
  const capabilities = rest.capabilities?.split(' ') ?? [];
  const asked = { details, capabilities, ...(attempt !== undefined && { attempt }) };
  if (type === JWT_TYPE && actor === undefined && actorType === undefined) {
    return { podToken: subject, ...asked };
  }
  if (type === ID_TOKEN_TYPE && actor !== undefined && actorType !== undefined) {
    return { podToken: actor, userToken: subject, ...asked };
  }
  if (type === DELEGATION_TYPE && actor !== undefined && actorType !== undefined) {
    return { podToken: actor, delegation: subject, ...asked };
  }
  throw toMalformedError([BOTH_OR_ONE]);
};

/** RFC 8693 defines these fields. Ignoring one would issue something else than was requested. */
const unused = { optional: absent(`${DETAILS} states what is requested`) };
const FIELDS = {
  [GRANT_TYPE]: redactedEnum([TOKEN_EXCHANGE_GRANT]),
  subject_token: token,
  subject_token_type: redactedEnum([JWT_TYPE, ID_TOKEN_TYPE, DELEGATION_TYPE]),
  actor_token: { optional: token },
  actor_token_type: { optional: redactedEnum([JWT_TYPE]) },
  requested_token_type: { optional: redactedEnum([CREDENTIALS_TYPE]) },
  [DETAILS]: taskDetails,
  capabilities: {
    optional: string({ expected: 'names', pattern: /^[a-z_]+( [a-z_]+)*$/, maxLength: 256 }),
  },
  attempt: { optional: redactedText(/^[0-9a-f-]{36}$/, 'a UUID') },
  resource: unused,
  audience: unused,
  scope: unused,
} as const;

const fields = object(FIELDS);

const BOTH_OR_ONE: FieldError = {
  path: 'actor_token, actor_token_type',
  expected: `both when subject_token_type is ${ID_TOKEN_TYPE} or ${DELEGATION_TYPE}, neither when it is ${JWT_TYPE}`,
  got: 'something else (not shown)',
};

const toMalformedError = (faults: readonly FieldError[]): RequestError => {
  if (faults.every(({ path }) => path.startsWith(DETAILS))) {
    return newMalformedError('details_malformed', faults);
  }
  const isRepeated = faults.some(({ code }) => code === 'repeated');
  const isOtherGrant = faults.some(({ path, code }) => path === GRANT_TYPE && code === undefined);
  const code = isOtherGrant && !isRepeated ? 'grant_type_unsupported' : 'request_malformed';
  return newMalformedError(code, faults);
};
