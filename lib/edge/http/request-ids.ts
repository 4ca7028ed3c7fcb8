import { randomUUID } from 'node:crypto';
import type { RequestListener } from 'node:http';

import { runWithRequestId } from '../../async/request-context.ts';
import { isRequestId, REQUEST_ID_HEADER } from '../../contract/request-id.ts';

/**
 * Gives each request an ID, which its answer has as `x-request-id`: the client's, if it is well formed, or
 * another one. The ID says nothing about who sent a request.
 */
export const identifyRequests =
  (listener: RequestListener): RequestListener =>
  (request, response) => {
    const given = request.headers[REQUEST_ID_HEADER];
    const requestId = isRequestId(given) ? given : randomUUID();
    response.setHeader(REQUEST_ID_HEADER, requestId);
    runWithRequestId(requestId, () => listener(request, response));
  };
