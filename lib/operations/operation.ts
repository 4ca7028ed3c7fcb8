import type { RequestTarget } from '../schema/request-target.ts';

/** What a request is recognized by. */
export type RecognizableRequest = {
  /** Upper case. */
  readonly method: string;
  readonly target: RequestTarget;
  /** Lower-case names, each once. */
  readonly headers: ReadonlyMap<string, string>;
  /** Decoded fields of a body of `application/x-www-form-urlencoded`. */
  readonly form?: ReadonlyMap<string, string>;
};

/** An operation of the cloud's API. */
export type Operation = {
  /** botocore's name of the service: `dynamodb`, `s3control`. */
  readonly service: string;
  /** As the API Reference names it: `PutObject`. */
  readonly name: string;
  /** Decoded labels of the path: `{Bucket: 'acme-data', Key: 'reports/a.csv'}`. */
  readonly labels: Readonly<Record<string, string>>;
};
