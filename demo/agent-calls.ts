// What each step of the demo's agents is made of: a call of the AWS SDK, or of the sidecar.
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
  /** Error code of the cloud, the gateway or the sidecar. Absent after success. */
  readonly code?: string;
  /** Message of a refusal. */
  readonly message?: string;
  /** Steps `report` and `collect`: the run that they started. */
  readonly run?: string;
  /** Step `delegate`: useless to every other workload, and after its use. */
  readonly handle?: string;
  /** Request ID of the cloud, if it responded. */
  readonly requestId?: string;
  readonly milliseconds: number;
  /** Step `start`: with what the ID of the access key begins. */
  readonly keyPrefix?: string;
  /** Steps `outlive` and `accept`: the expiration that the SDK, or the agent, received. */
  readonly expiresAt?: number;
  /** Step `end`: when the run was ended. */
  readonly endedAt?: number;
  /** Steps `outlive`, `follow` and `upload`: when the first refusal, or the end of the connection, was seen. */
  readonly refusedAt?: number;
};

export type Report = Omit<StepReport, 'step' | 'milliseconds'>;
type ObjectRef = { readonly Bucket: string; readonly Key: string };

export const createClient = (extra: S3ClientConfig = {}): S3Client =>
  new S3Client({ forcePathStyle: true, ...extra });
export const parseObjectRef = (path: string): ObjectRef => {
  const [Bucket = '', ...rest] = path.split('/');
  return { Bucket, Key: rest.join('/') };
};

type ResponseMetadata = { readonly httpStatusCode?: number; readonly requestId?: string };

const toReport = ({ httpStatusCode = 0, requestId }: ResponseMetadata): Report => ({
  status: httpStatusCode,
  ...(requestId !== undefined && { requestId }),
});

export const reportOutcome = async (
  sending: Promise<{ $metadata: ResponseMetadata }>,
): Promise<Report> => {
  try {
    return toReport((await sending).$metadata);
  } catch (error) {
    if (!(error instanceof S3ServiceException)) throw error;
    return { ...toReport(error.$metadata), code: error.name, message: error.message };
  }
};

/** Without a response there is only the error of the connection. */
export const toConnectionReport = (error: unknown): Report => {
  const { code = 'unknown', message = '' } = error as { code?: string; message?: string };
  return { status: 0, code, message };
};

/** Reads the whole body, because the connection stays open otherwise. */
export const getObject = async (
  from: S3Client,
  place: string,
): Promise<{ $metadata: ResponseMetadata }> => {
  const answer = await from.send(new GetObjectCommand(parseObjectRef(place)));
  await answer.Body?.transformToString();
  return answer;
};

export const putObject = (
  to: S3Client,
  place: string,
  Body = 'written by a demo\n',
): Promise<Report> =>
  reportOutcome(to.send(new PutObjectCommand({ ...parseObjectRef(place), Body })));

/** The container's token, which the gateway accepts in place of any key. */
export const readToken = (): string =>
  readFileSync(process.env['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'] ?? '', 'utf8');

type SidecarAnswer = { readonly status: number; readonly body: Readonly<Record<string, unknown>> };

/**
 * Calls the sidecar directly, without an SDK. Does not use `fetch`, because the sidecar rejects its
 * Sec-Fetch headers as those of a browser.
 */
export const requestSidecar = (
  method: string,
  path: string,
  body?: object,
): Promise<SidecarAnswer> =>
  new Promise((resolve, reject) => {
    const uri = new URL(process.env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] ?? '');
    uri.pathname = path;
    const headers = {
      authorization: readToken(),
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

export const toRefusalReport = ({ status, body }: SidecarAnswer): Report => {
  const { Code, Message } = body as { readonly Code?: string; readonly Message?: string };
  return {
    status,
    ...(Code !== undefined && { code: Code }),
    ...(Message !== undefined && { message: Message }),
  };
};

/** As the sidecar renders them. */
export type Keys = {
  readonly AccessKeyId: string;
  readonly SecretAccessKey: string;
  readonly Token: string;
};

export const createClientWith = ({ AccessKeyId, SecretAccessKey, Token }: Keys): S3Client =>
  createClient({
    credentials: {
      accessKeyId: AccessKeyId,
      secretAccessKey: SecretAccessKey,
      sessionToken: Token,
    },
  });
