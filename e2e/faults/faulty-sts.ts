import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { renderStsResponse, type FakeSts } from '../../bench/fake-sts.ts';

/** What an STS does to a request; `hanging` accepts it and never answers. */
export type StsBehavior =
  'working' | 'slow' | 'hanging' | 'failing' | 'throttling' | 'garbage' | 'truncated' | 'expired';

export type FaultySts = FakeSts & {
  readonly set: (behavior: StsBehavior) => void;
  /** When the session policy of an access key ends it, in milliseconds since the epoch. */
  readonly findDeadline: (accessKeyId: string) => number | undefined;
};

/** Longer than one attempt of a program may take. */
const SLOW_MS = 15_000;
const EXPIRED_SECONDS = -60;

/** What is asked for: how long a session lasts, and the access key that it gets. */
type Session = { readonly seconds: number; readonly accessKeyId: string };

type Answer = (response: ServerResponse, session: Session) => void;

/** The statement that denies everything from a time on. */
const DEADLINE = /"DateGreaterThanEquals":\{"aws:CurrentTime":"([^"]+)"\}/;

const sendXml = (response: ServerResponse, status: number, body: string): void => {
  response.writeHead(status, { 'content-type': 'text/xml' }).end(body);
};

const renderStsError = (code: string): string =>
  `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${code}</Message></Error></ErrorResponse>`;

const ANSWERS: Readonly<Record<StsBehavior, Answer>> = {
  working: (response, { seconds, accessKeyId }) =>
    sendXml(response, 200, renderStsResponse(seconds, accessKeyId)),
  slow: (response, session) => {
    const timer = setTimeout(() => ANSWERS.working(response, session), SLOW_MS);
    response.once('close', () => clearTimeout(timer));
  },
  hanging: () => undefined,
  failing: (response) => sendXml(response, 500, renderStsError('InternalFailure')),
  throttling: (response) => sendXml(response, 400, renderStsError('Throttling')),
  // What a captive portal or a wrong proxy answers.
  garbage: (response) => {
    response
      .writeHead(200, { 'content-type': 'text/html' })
      .end('<!doctype html><title>Welcome</title><p>&nbsp;Please sign in.');
  },
  truncated: (response, { seconds }) => {
    const answer = renderStsResponse(seconds);
    sendXml(response, 200, answer.slice(0, answer.length / 2));
  },
  expired: (response) => sendXml(response, 200, renderStsResponse(EXPIRED_SECONDS)),
};

/** Starts an STS on 127.0.0.1 that verifies nothing and can be made to fail. */
export async function startFaultySts(): Promise<FaultySts> {
  let calls = 0;
  const deadlines = new Map<string, number>();
  let behavior: StsBehavior = 'working';
  const server = createServer((request, response) => {
    calls += 1;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const form = new URLSearchParams(Buffer.concat(chunks).toString());
      const accessKeyId = `ASIA${String(calls).padStart(16, '0')}`;
      deadlines.set(accessKeyId, Date.parse(DEADLINE.exec(form.get('Policy') ?? '')?.[1] ?? ''));
      ANSWERS[behavior](response, {
        seconds: Number(form.get('DurationSeconds') ?? 900),
        accessKeyId,
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls: () => calls,
    findDeadline: (accessKeyId) => deadlines.get(accessKeyId),
    set: (next) => {
      behavior = next;
      // Requests that hang would otherwise outlast the fault.
      server.closeAllConnections();
    },
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
