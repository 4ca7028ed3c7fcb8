// A consumer: an ordinary program of the AWS SDK that knows nothing of Valetkey but the environment
// it was given. Each argument is a step; each step prints one line of JSON.
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import {
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';

/** What a step came to; never anything secret. */
export type StepReport = {
  readonly step: string;
  readonly status: number;
  /** The error's code, of the cloud or of the sidecar; absent when it went well. */
  readonly code?: string;
  /** Of a refusal, where it says more than its code. */
  readonly message?: string;
  /** Of `report`: the run that it started. */
  readonly run?: string;
  /** Of the cloud, where it answered. */
  readonly requestId?: string;
  readonly milliseconds: number;
  /** Of `outlive`: when the SDK was told that its keys end, and when the cloud first refused them. */
  readonly expiresAt?: number;
  readonly refusedAt?: number;
};

type Report = Omit<StepReport, 'step' | 'milliseconds'>;
type Place = { readonly Bucket: string; readonly Key: string };

const GIVE_UP_MS = 30_000;

const newClient = (extra: S3ClientConfig = {}): S3Client =>
  new S3Client({ forcePathStyle: true, ...extra });
const client = newClient();

const placeOf = (path: string): Place => {
  const [Bucket = '', ...rest] = path.split('/');
  return { Bucket, Key: rest.join('/') };
};

type Metadata = { readonly httpStatusCode?: number; readonly requestId?: string };

const reportOf = ({ httpStatusCode = 0, requestId }: Metadata): Report => ({
  status: httpStatusCode,
  ...(requestId !== undefined && { requestId }),
});

const outcomeOf = async (sending: Promise<{ $metadata: Metadata }>): Promise<Report> => {
  try {
    return reportOf((await sending).$metadata);
  } catch (error) {
    if (!(error instanceof S3ServiceException)) throw error;
    return { ...reportOf(error.$metadata), code: error.name };
  }
};

const start = async (): Promise<Report> => {
  await client.config.credentials();
  return { status: 200 };
};

/** The body is read to its end: its connection would stay open otherwise. */
const get = async (from: S3Client, place: string): Promise<{ $metadata: Metadata }> => {
  const answer = await from.send(new GetObjectCommand(placeOf(place)));
  await answer.Body?.transformToString();
  return answer;
};

const read = (place: string): Promise<Report> => outcomeOf(get(client, place));

const write = (place: string): Promise<Report> =>
  outcomeOf(client.send(new PutObjectCommand({ ...placeOf(place), Body: 'written by a demo\n' })));

type Answer = { readonly status: number; readonly body: Readonly<Record<string, unknown>> };

/**
 * Asks the sidecar by hand, as a curious agent would; not by `fetch`, whose Sec-Fetch headers the
 * sidecar takes for a browser's.
 */
const askSidecar = (method: string, path: string, body?: object): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const uri = new URL(process.env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] ?? '');
    const file = process.env['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'] ?? '';
    uri.pathname = path;
    const headers = {
      authorization: readFileSync(file, 'utf8'),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    };
    request(uri, { method, headers, agent: false }, (answer) => {
      text(answer).then((answered) => {
        const { statusCode: status = 0 } = answer;
        resolve({ status, body: answered === '' ? {} : (JSON.parse(answered) as Answer['body']) });
      }, reject);
    })
      .on('error', reject)
      .end(body === undefined ? undefined : JSON.stringify(body));
  });

const refusalOf = ({ status, body }: Answer): Report => {
  const { Code, Message } = body as { readonly Code?: string; readonly Message?: string };
  return {
    status,
    ...(Code !== undefined && { code: Code }),
    ...(Message !== undefined && { message: Message }),
  };
};

/** Asks for another task. */
const task = async (name: string): Promise<Report> =>
  refusalOf(await askSidecar('GET', `/v1/tasks/${name}/credentials`));

type Started = {
  readonly run: string;
  readonly credentials: {
    readonly AccessKeyId: string;
    readonly SecretAccessKey: string;
    readonly Token: string;
  };
};

/** Starts a run of its own for one customer, reads what it is for, and ends the run. */
const report = async (customer: string): Promise<Report> => {
  const answer = await askSidecar('POST', '/v1/tasks/report/runs', { params: { customer } });
  if (answer.status !== 201) return refusalOf(answer);
  const { run, credentials } = answer.body as unknown as Started;
  const reader = newClient({
    credentials: {
      accessKeyId: credentials.AccessKeyId,
      secretAccessKey: credentials.SecretAccessKey,
      sessionToken: credentials.Token,
    },
  });
  const outcome = await outcomeOf(get(reader, `acme-data/customers/${customer}/q3.csv`));
  await askSidecar('DELETE', `/v1/runs/${run}`);
  return { ...outcome, run };
};

/** Keeps today's keys and tries them until the cloud refuses them. */
const outlive = async (place: string): Promise<Report> => {
  const kept = await client.config.credentials();
  const expiresAt = kept.expiration?.getTime() ?? 0;
  const keeper = newClient({ credentials: { ...kept } });
  for (;;) {
    const outcome = await outcomeOf(get(keeper, place));
    const now = Date.now();
    if (outcome.status !== 200) return { ...outcome, expiresAt, refusedAt: now };
    if (now > expiresAt + GIVE_UP_MS) return { ...outcome, expiresAt };
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
};

const steps = new Map<string, (argument: string) => Promise<Report>>([
  ['start', start],
  ['read', read],
  ['write', write],
  ['task', task],
  ['report', report],
  ['outlive', outlive],
]);

for (const step of process.argv.slice(2)) {
  const [verb = '', argument = ''] = step.split(' ');
  const take = steps.get(verb);
  if (take === undefined) throw new Error(`expected a step of ${[...steps.keys()].join(', ')}`);
  const startedAt = performance.now();
  const report = await take(argument);
  const milliseconds = Math.round(performance.now() - startedAt);
  console.log(JSON.stringify({ step, ...report, milliseconds } satisfies StepReport));
}
