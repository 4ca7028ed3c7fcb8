// A consumer: an ordinary program that uses the AWS SDK and knows nothing of Valetkey except its
// environment. Each argument is a step, and each step prints one line of JSON.
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import {
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';

/** The result of a step, without secrets. */
export type StepReport = {
  readonly step: string;
  readonly status: number;
  /** Error code of the cloud, the gateway or the sidecar. Absent after success. */
  readonly code?: string;
  /** Message of a refusal. */
  readonly message?: string;
  /** Step `report`: the run that it started. */
  readonly run?: string;
  /** Request ID of the cloud, if it responded. */
  readonly requestId?: string;
  readonly milliseconds: number;
  /** Step `start`: with what the ID of the access key begins. */
  readonly keyPrefix?: string;
  /** Step `outlive`: the expiration that the SDK received. */
  readonly expiresAt?: number;
  /** Steps `outlive` and `upload`: when the first refusal, or the end of the connection, was seen. */
  readonly refusedAt?: number;
};

type Report = Omit<StepReport, 'step' | 'milliseconds'>;
type ObjectRef = { readonly Bucket: string; readonly Key: string };

const REFUSAL_TIMEOUT_MS = 30_000;

const createClient = (extra: S3ClientConfig = {}): S3Client =>
  new S3Client({ forcePathStyle: true, ...extra });
const client = createClient();

const parseObjectRef = (path: string): ObjectRef => {
  const [Bucket = '', ...rest] = path.split('/');
  return { Bucket, Key: rest.join('/') };
};

type ResponseMetadata = { readonly httpStatusCode?: number; readonly requestId?: string };

const toReport = ({ httpStatusCode = 0, requestId }: ResponseMetadata): Report => ({
  status: httpStatusCode,
  ...(requestId !== undefined && { requestId }),
});

const reportOutcome = async (
  sending: Promise<{ $metadata: ResponseMetadata }>,
): Promise<Report> => {
  try {
    return toReport((await sending).$metadata);
  } catch (error) {
    if (!(error instanceof S3ServiceException)) throw error;
    return { ...toReport(error.$metadata), code: error.name, message: error.message };
  }
};

/** The gateway's keys, and temporary keys of AWS. */
const KEY_PREFIX = /^(VALETKEY|ASIA)/;

const loadCredentials = async (): Promise<Report> => {
  const { accessKeyId } = await client.config.credentials();
  return { status: 200, keyPrefix: KEY_PREFIX.exec(accessKeyId)?.[0] ?? '' };
};

/** Reads the whole body, because the connection stays open otherwise. */
const getObject = async (
  from: S3Client,
  place: string,
): Promise<{ $metadata: ResponseMetadata }> => {
  const answer = await from.send(new GetObjectCommand(parseObjectRef(place)));
  await answer.Body?.transformToString();
  return answer;
};

const readObject = (place: string): Promise<Report> => reportOutcome(getObject(client, place));

const putObject = (to: S3Client, place: string): Promise<Report> =>
  reportOutcome(
    to.send(new PutObjectCommand({ ...parseObjectRef(place), Body: 'written by a demo\n' })),
  );

const writeObject = (place: string): Promise<Report> => putObject(client, place);

/** Sends the same request with the same keys to the cloud itself. */
const bypassGateway = async (place: string): Promise<Report> => {
  const credentials = await client.config.credentials();
  const direct = createClient({ credentials, endpoint: process.env['CLOUD_ENDPOINT'] ?? '' });
  return reportOutcome(getObject(direct, place));
};

type SidecarAnswer = { readonly status: number; readonly body: Readonly<Record<string, unknown>> };

/**
 * Calls the sidecar directly, without an SDK. Does not use `fetch`, because the sidecar rejects its
 * Sec-Fetch headers as those of a browser.
 */
const requestSidecar = (method: string, path: string, body?: object): Promise<SidecarAnswer> =>
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
        resolve({
          status,
          body: answered === '' ? {} : (JSON.parse(answered) as SidecarAnswer['body']),
        });
      }, reject);
    })
      .on('error', reject)
      .end(body === undefined ? undefined : JSON.stringify(body));
  });

const toRefusalReport = ({ status, body }: SidecarAnswer): Report => {
  const { Code, Message } = body as { readonly Code?: string; readonly Message?: string };
  return {
    status,
    ...(Code !== undefined && { code: Code }),
    ...(Message !== undefined && { message: Message }),
  };
};

/** Requests credentials of another task. */
const requestTask = async (name: string): Promise<Report> =>
  toRefusalReport(await requestSidecar('GET', `/v1/tasks/${name}/credentials`));

/** As the sidecar renders them. */
type Keys = {
  readonly AccessKeyId: string;
  readonly SecretAccessKey: string;
  readonly Token: string;
};
type StartedRun = { readonly run: string; readonly credentials: Keys };

const createClientWith = ({ AccessKeyId, SecretAccessKey, Token }: Keys): S3Client =>
  createClient({
    credentials: {
      accessKeyId: AccessKeyId,
      secretAccessKey: SecretAccessKey,
      sessionToken: Token,
    },
  });

/** Starts an explicit run for one customer, reads its data, and ends the run. */
const runReport = async (customer: string): Promise<Report> => {
  const answer = await requestSidecar('POST', '/v1/tasks/report/runs', { params: { customer } });
  if (answer.status !== 201) return toRefusalReport(answer);
  const { run, credentials } = answer.body as unknown as StartedRun;
  const reader = createClientWith(credentials);
  const outcome = await reportOutcome(getObject(reader, `acme-data/customers/${customer}/q3.csv`));
  await requestSidecar('DELETE', `/v1/runs/${run}`);
  return { ...outcome, run };
};

/** Keeps the current keys and writes with them until the cloud refuses them. */
const useUntilRefused = async (place: string): Promise<Report> => {
  const kept = await client.config.credentials();
  const expiresAt = kept.expiration?.getTime() ?? 0;
  const keeper = createClient({ credentials: { ...kept } });
  for (;;) {
    const outcome = await putObject(keeper, place);
    const now = Date.now();
    if (outcome.status !== 200) return { ...outcome, expiresAt, refusedAt: now };
    if (now > expiresAt + REFUSAL_TIMEOUT_MS) return { ...outcome, expiresAt };
    await pause(200);
  }
};

const UPLOAD_PARTS = 300;
const UPLOAD_PART = Buffer.alloc(8 * 1024, 'summary\n');

const readSlowly = async function* (): AsyncGenerator<Buffer> {
  for (let part = 0; part < UPLOAD_PARTS; part += 1) {
    yield UPLOAD_PART;
    await pause(100);
  }
};

/** Uploads for half a minute, as the task `publish`, unless the connection ends. */
const uploadSlowly = async (place: string): Promise<Report> => {
  const answer = await requestSidecar('GET', '/v1/tasks/publish/credentials');
  if (answer.status !== 200) return toRefusalReport(answer);
  const uploader = createClientWith(answer.body as unknown as Keys);
  const body = Readable.from(readSlowly(), { objectMode: false });
  const ContentLength = UPLOAD_PARTS * UPLOAD_PART.length;
  const upload = new PutObjectCommand({ ...parseObjectRef(place), Body: body, ContentLength });
  const outcome = await reportOutcome(uploader.send(upload)).catch(toConnectionReport);
  const refusedAt = Date.now();
  body.destroy();
  return { ...outcome, refusedAt };
};

/** Without a response there is only the error of the connection. */
const toConnectionReport = (error: unknown): Report => {
  const { code = 'unknown', message = '' } = error as { code?: string; message?: string };
  return { status: 0, code, message };
};

const steps = new Map<string, (argument: string) => Promise<Report>>([
  ['start', loadCredentials],
  ['read', readObject],
  ['write', writeObject],
  ['bypass', bypassGateway],
  ['task', requestTask],
  ['report', runReport],
  ['outlive', useUntilRefused],
  ['upload', uploadSlowly],
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
