// A consumer: an ordinary program that uses the AWS SDK and knows nothing of Valetkey except its
// environment. Each argument is a step, and each step prints one line of JSON.
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

/** The result of a step, without secrets. */
export type StepReport = {
  readonly step: string;
  readonly status: number;
  /** Error code of the cloud or the sidecar. Absent after success. */
  readonly code?: string;
  /** Message of a refusal, if it contains more than the code. */
  readonly message?: string;
  /** Step `report`: the run that it started. */
  readonly run?: string;
  /** Request ID of the cloud, if it responded. */
  readonly requestId?: string;
  readonly milliseconds: number;
  /** Step `outlive`: the expiration that the SDK received, and the time of the cloud's first refusal. */
  readonly expiresAt?: number;
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
    return { ...toReport(error.$metadata), code: error.name };
  }
};

const loadCredentials = async (): Promise<Report> => {
  await client.config.credentials();
  return { status: 200 };
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

const writeObject = (place: string): Promise<Report> =>
  reportOutcome(
    client.send(new PutObjectCommand({ ...parseObjectRef(place), Body: 'written by a demo\n' })),
  );

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

type StartedRun = {
  readonly run: string;
  readonly credentials: {
    readonly AccessKeyId: string;
    readonly SecretAccessKey: string;
    readonly Token: string;
  };
};

/** Starts an explicit run for one customer, reads its data, and ends the run. */
const runReport = async (customer: string): Promise<Report> => {
  const answer = await requestSidecar('POST', '/v1/tasks/report/runs', { params: { customer } });
  if (answer.status !== 201) return toRefusalReport(answer);
  const { run, credentials } = answer.body as unknown as StartedRun;
  const reader = createClient({
    credentials: {
      accessKeyId: credentials.AccessKeyId,
      secretAccessKey: credentials.SecretAccessKey,
      sessionToken: credentials.Token,
    },
  });
  const outcome = await reportOutcome(getObject(reader, `acme-data/customers/${customer}/q3.csv`));
  await requestSidecar('DELETE', `/v1/runs/${run}`);
  return { ...outcome, run };
};

/** Keeps the current keys and uses them until the cloud refuses them. */
const useUntilRefused = async (place: string): Promise<Report> => {
  const kept = await client.config.credentials();
  const expiresAt = kept.expiration?.getTime() ?? 0;
  const keeper = createClient({ credentials: { ...kept } });
  for (;;) {
    const outcome = await reportOutcome(getObject(keeper, place));
    const now = Date.now();
    if (outcome.status !== 200) return { ...outcome, expiresAt, refusedAt: now };
    if (now > expiresAt + REFUSAL_TIMEOUT_MS) return { ...outcome, expiresAt };
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
};

const steps = new Map<string, (argument: string) => Promise<Report>>([
  ['start', loadCredentials],
  ['read', readObject],
  ['write', writeObject],
  ['task', requestTask],
  ['report', runReport],
  ['outlive', useUntilRefused],
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
