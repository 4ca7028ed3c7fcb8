import {
  CREDENTIALS_TYPE,
  ID_TOKEN_TYPE,
  JWT_TYPE,
  TASK_DETAILS_TYPE,
  TOKEN_EXCHANGE_GRANT,
  type TaskDetails,
} from '../../contract/authority-api.ts';
import type { RunRequest } from '../../contract/exchange.ts';

/** Builds a token exchange request (RFC 8693, section 2.1). With a user token, the pod is the actor. */
export const buildTokenForm = (request: RunRequest, podToken: string): URLSearchParams => {
  const { userToken } = request;
  const tokens =
    userToken === undefined
      ? { subject_token: podToken, subject_token_type: JWT_TYPE }
      : {
          subject_token: userToken,
          subject_token_type: ID_TOKEN_TYPE,
          actor_token: podToken,
          actor_token_type: JWT_TYPE,
        };
  return new URLSearchParams({
    grant_type: TOKEN_EXCHANGE_GRANT,
    requested_token_type: CREDENTIALS_TYPE,
    ...tokens,
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
