import { formatValue } from '../schema/field-error.ts';
import type { Operation, Protocol, RecognizableRequest } from './operation.ts';
import { compileRestTable } from './rest.ts';
import type { OperationTable, ServiceTable } from './table.ts';

/** The operation, or why there is not exactly one. */
export type Recognition =
  | { readonly ok: true; readonly operation: Operation }
  | {
      readonly ok: false;
      readonly code: 'request_malformed' | 'operation_unknown' | 'operation_ambiguous';
      readonly message: string;
    };

const RPC_PATH = /^\/service\/([^/]+)\/operation\/([^/]+)$/;

const speaks = ({ protocols }: ServiceTable, ...names: readonly string[]): boolean =>
  names.some((name) => protocols.includes(name));

const findNamed = (
  services: readonly ServiceTable[],
  protocol: Protocol,
  name: string | undefined,
): readonly Operation[] =>
  services
    .filter(({ names }) => name !== undefined && names?.includes(name))
    .map(({ id }) => ({ protocol, service: id, name: name ?? '', labels: {} }));

/** Protocol `smithy-rpc-v2-cbor`: service and operation are the path. */
const matchCbor = (
  services: readonly ServiceTable[],
  { method, target, headers }: RecognizableRequest,
): readonly Operation[] => {
  const [, service, operation] = RPC_PATH.exec(target.decodedPath) ?? [];
  return method === 'POST' && headers.get('smithy-protocol') === 'rpc-v2-cbor'
    ? findNamed(
        services.filter((table) => speaks(table, 'smithy-rpc-v2-cbor') && table.target === service),
        'cbor',
        operation,
      )
    : [];
};

/** Of a body that is no form: a service that still knows protocol `query` would read another Action there. */
const JSON_BODY = /^application\/(?:(?:x-amz-)?json|x-amz-cbor)\b/;

/** Protocol `json`: `X-Amz-Target: DynamoDB_20120810.PutItem`. */
const matchJson = (
  services: readonly ServiceTable[],
  { method, target, headers }: RecognizableRequest,
): readonly Operation[] => {
  const name = headers.get('x-amz-target') ?? '';
  const dot = name.lastIndexOf('.');
  const isJson = JSON_BODY.test(headers.get('content-type') ?? '');
  return method === 'POST' && target.decodedPath === '/' && isJson
    ? findNamed(
        services.filter((table) => speaks(table, 'json') && table.target === name.slice(0, dot)),
        'json',
        name.slice(dot + 1),
      )
    : [];
};

/** Protocols `query` and `ec2`: parameters `Action` and `Version`, in the query or the form. */
const matchQuery = (
  services: readonly ServiceTable[],
  { target, form }: RecognizableRequest,
): readonly Operation[] => {
  const action = target.parameters.get('Action') ?? form?.get('Action');
  const version = target.parameters.get('Version') ?? form?.get('Version');
  return target.decodedPath === '/'
    ? findNamed(
        services.filter((table) => speaks(table, 'query', 'ec2') && table.version === version),
        'query',
        action,
      )
    : [];
};

/** Whether some services of the table would read one part and some the other. */
const hasTwoActions = ({ target, form }: RecognizableRequest): boolean =>
  ['Action', 'Version'].some((name) => target.parameters.has(name) && form?.has(name) === true);

/** Some services read fields of both, and it is not known which of two equal ones wins. */
const hasTwoInputs = ({ protocol }: Operation, { target, form }: RecognizableRequest): boolean =>
  protocol === 'query' && form !== undefined && target.parameters.size > 0;

/** Whether a service of several protocols could read the request in another one than we do. */
const hasTwoProtocols = ({ target, headers, form }: RecognizableRequest): boolean =>
  [
    headers.has('smithy-protocol'),
    headers.has('x-amz-target'),
    form !== undefined || target.parameters.has('Action'),
  ].filter(Boolean).length > 1;

/**
 * SDKs name the service in their User-Agent (`api/dynamodb_streams#1.0`). The gateway chooses the host by
 * the recognized service, so that a false name reaches another service with the same request only. Where
 * the platform sets one host for all of them, this does not hold: the origin finder refuses the operation.
 */
const narrowByUserAgent = (
  candidates: readonly Operation[],
  userAgent: string,
): readonly Operation[] => {
  const [, name = ''] = /(?:^|\s)api\/([\w-]+)/.exec(userAgent) ?? [];
  const plain = name.toLowerCase().replace(/[^a-z0-9]/g, '');
  const named = candidates.filter(({ service }) => service.replace(/[^a-z0-9]/g, '') === plain);
  return named.length === 1 && candidates.length > 1
    ? named.map((operation) => ({ ...operation, isNarrowed: true as const }))
    : candidates;
};

/** The S3 API ignores parameters that it does not know, but other S3 servers know more of them. */
const findUnknownParameter = (
  table: OperationTable,
  { service, name }: Operation,
  { target }: RecognizableRequest,
): string | undefined => {
  if (target.parameters.size === 0) return undefined;
  const operation = table.services.find(({ id }) => id === service)?.rest?.[name];
  if (operation === undefined || !['s3', 's3control'].includes(service)) return undefined;
  const known = new Set(
    ['x-id', ...(operation.query ?? []), ...(operation.optional ?? [])].map(
      (parameter) => parameter.split('=', 1)[0],
    ),
  );
  return [...target.parameters.keys()].find((parameter) => !known.has(parameter));
};

const twoActions: Recognition = {
  ok: false,
  code: 'request_malformed',
  message: 'expected Action and Version in the query or in the form, found them in both',
};

const twoInputs: Recognition = {
  ok: false,
  code: 'request_malformed',
  message: 'expected parameters in the query or in the form, found them in both',
};

const twoProtocols: Recognition = {
  ok: false,
  code: 'request_malformed',
  message: 'expected one of a Smithy-Protocol, an X-Amz-Target and an Action, found several',
};

const refuseUnknown = (services: readonly ServiceTable[]): Recognition => ({
  ok: false,
  code: 'operation_unknown',
  message: `no operation of ${services.map(({ id }) => id).join(', ')} has this method, path and query`,
});

const refuseAmbiguous = (candidates: readonly Operation[]): Recognition => ({
  ok: false,
  code: 'operation_ambiguous',
  message: `the request can be ${candidates.map(({ service, name }) => `${service} ${name}`).join(', ')}`,
});

/** Recognizes which operation a request is. */
export type RecognizeOperation = (request: RecognizableRequest) => Recognition;

const listCandidates = (
  matchers: readonly ((request: RecognizableRequest) => readonly Operation[])[],
  request: RecognizableRequest,
): readonly Operation[] => {
  for (const match of matchers) {
    const found = match(request);
    if (found.length > 0) return narrowByUserAgent(found, request.headers.get('user-agent') ?? '');
  }
  return [];
};

/**
 * Creates the recognizer of one signing name.
 *
 * @param table the services of the signing name in the request's credential scope
 */
export const createRecognizer = (table: OperationTable): RecognizeOperation => {
  const { services } = table;
  const matchers = [
    ...[matchCbor, matchJson, matchQuery].map(
      (match) => (request: RecognizableRequest) => match(services, request),
    ),
    compileRestTable(table),
  ];
  return (request) => {
    if (hasTwoActions(request)) return twoActions;
    if (hasTwoProtocols(request)) return twoProtocols;
    const candidates = listCandidates(matchers, request);
    const [operation] = candidates;
    if (operation === undefined) return refuseUnknown(services);
    if (candidates.length > 1) return refuseAmbiguous(candidates);
    if (hasTwoInputs(operation, request)) return twoInputs;
    const parameter = findUnknownParameter(table, operation, request);
    return parameter === undefined
      ? { ok: true, operation }
      : {
          ok: false,
          code: 'operation_unknown',
          message: `${operation.name} has no query parameter ${formatValue(parameter)}`,
        };
  };
};
