/** An operation of a REST protocol. */
export type RestOperation = {
  /** Method and path template: `GET /{Bucket}/{Key+}`; a `+` marks a label that spans segments. */
  readonly http: string;
  /** Query parameters that the operation requires; `name=value` requires that value. */
  readonly query?: readonly string[];
  /** Lower-case headers that the operation requires. */
  readonly headers?: readonly string[];
  readonly optional?: readonly string[];
};

/** The operations of one service, as its protocols name them in requests. */
export type ServiceTable = {
  /** botocore's name of the service: `s3`, `s3control`. */
  readonly id: string;
  /** First label of its host: `s3`, `monitoring`. */
  readonly host: string;
  /** `rest-json`, `rest-xml`, `json`, `query`, `ec2`, `smithy-rpc-v2-cbor`. */
  readonly protocols: readonly string[];
  /** API version; protocol `query` sends it as `Version`. */
  readonly version: string;
  /** Prefix of `X-Amz-Target`, and service name in paths of `smithy-rpc-v2-cbor`. */
  readonly target?: string;
  /** IAM prefix of the service's actions, if AWS documents them. */
  readonly prefix?: string;
  /** Operations without an action of the same name under `prefix`. */
  readonly unmapped?: readonly string[];
  /** Operations whose answer, or whose effect, remains valid after the run. */
  readonly mints?: readonly string[];
  /** Templates of the ARNs that operations need, by operation name (`resource-templates.ts`). */
  readonly resources?: Readonly<Record<string, readonly string[]>>;
  /** Members that SDKs fill with a random value for each call, by operation name. */
  readonly tokens?: Readonly<Record<string, readonly string[]>>;
  /** By operation name. */
  readonly rest?: Readonly<Record<string, RestOperation>>;
  /** Operation names of protocols that are not REST. */
  readonly names?: readonly string[];
};

/** All services that share a signing name. Generated from botocore's models. */
export type OperationTable = { readonly services: readonly ServiceTable[] };
