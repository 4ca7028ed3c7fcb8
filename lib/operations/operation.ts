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

/** How an operation's input is in its request: `cbor` and `json` in a body, `query` in a form or the query. */
export type Protocol = 'cbor' | 'json' | 'query' | 'rest';

/** An operation of the cloud's API. */
export type Operation = {
  readonly protocol: Protocol;
  /** botocore's name of the service: `dynamodb`, `s3control`. */
  readonly service: string;
  /** As the API Reference names it: `PutObject`. */
  readonly name: string;
  /** Another service that is signed for by the same name has such a request: the User-Agent decided. */
  readonly isNarrowed?: true;
  /** Decoded labels of the path: `{Bucket: 'acme-data', Key: 'reports/a.csv'}`. */
  readonly labels: Readonly<Record<string, string>>;
};

/** An action, and what its request says about the resource. */
export type Permission = {
  /** `s3:GetObject`. */
  readonly action: string;
  /** A concrete ARN, or `*` for actions without resource; absent if the request does not say it. */
  readonly resource?: string;
  /** Instead of `resource`: a pattern that holds it, where the service appends what no request says. */
  readonly within?: string;
};
