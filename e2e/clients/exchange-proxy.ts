import { createServer, request as ask } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Conditions } from './scenarios.ts';

/** A proxy between the sidecar and a cloud's STS, which delays or refuses exchanges. */
export type ExchangeProxy = {
  endpoint: string;
  /** Counts the exchanges that were passed on to the cloud. */
  count: () => number;
  stop: () => Promise<void>;
};

/** Starts the proxy on 127.0.0.1; `conditions` is read at each exchange. */
export async function startExchangeProxy(
  stsEndpoint: string,
  conditions: Readonly<Conditions>,
): Promise<ExchangeProxy> {
  let forwarded = 0;
  const answer: RequestListener = (request, response) => {
    const delay = pause(conditions.exchangeDelayMs);
    if (conditions.exchange === 'grants') {
      forwarded += 1;
      forwardRequest(stsEndpoint, { request, response, delay });
    } else void delay.then(() => denyRequest(response));
  };
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    count: () => forwarded,
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

type DelayedExchange = {
  request: IncomingMessage;
  response: ServerResponse;
  delay: Promise<unknown>;
};

/** The delay includes the cloud's own time, so that a busy machine does not prolong the exchange. */
function forwardRequest(endpoint: string, { request, response, delay }: DelayedExchange): void {
  const { host } = new URL(endpoint);
  const { method, headers, url = '/' } = request;
  const onward = ask(new URL(url, endpoint), { method, headers: { ...headers, host } });
  onward.on('error', () => response.writeHead(502).end());
  onward.on('response', (answer) => {
    void delay.then(() => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
  });
  request.pipe(onward);
}

/** The response of AWS if the trust policy of the role does not allow the caller: not retryable. */
function denyRequest(response: ServerResponse): void {
  const message = 'Not authorized to perform sts:AssumeRoleWithWebIdentity';
  const error = `<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>${message}</Message></Error>`;
  response.writeHead(403, { 'content-type': 'text/xml' });
  response.end(
    `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${error}<RequestId>0</RequestId></ErrorResponse>`,
  );
}
