import {
  CAPABILITIES,
  CREDENTIALS_TYPE,
  DELEGATION_TYPE,
  ID_TOKEN_TYPE,
  JWT_TYPE,
  TASK_DETAILS_TYPE,
  TOKEN_EXCHANGE_GRANT,
  type TaskDetails,
} from '../../contract/authority-api.ts';
import type { RunRequest } from '../../contract/exchange.ts';

/**
 * Builds a token exchange request (RFC 8693, section 2.1). With the token of a user, or the handle of another run,
 * the pod is the actor.
 */
export const buildTokenForm = (
  request: RunRequest,
  { podToken, attempt }: { readonly podToken: string; readonly attempt: string },
): URLSearchParams => {
  const { userToken, delegation } = request;
  const subject = delegation ?? userToken;
  const type = delegation === undefined ? ID_TOKEN_TYPE : DELEGATION_TYPE;
  const tokens =
    subject === undefined
      ? { subject_token: podToken, subject_token_type: JWT_TYPE }
      : {
          subject_token: subject,
          subject_token_type: type,
          actor_token: podToken,
          actor_token_type: JWT_TYPE,
        };
  return new URLSearchParams({
    grant_type: TOKEN_EXCHANGE_GRANT,
    requested_token_type: CREDENTIALS_TYPE,
    ...tokens,
    capabilities: CAPABILITIES.join(' '),
    attempt,
    authorization_details: JSON.stringify([buildTaskDetails(request)]),
  });
};

const buildTaskDetails = ({ task, consumer, params, purpose }: RunRequest): TaskDetails => ({
  type: TASK_DETAILS_TYPE,
  task: task.name,
  consumer,
  params,
  ...(purpose === undefined ? {} : { purpose }),
});
