import type { RequestTarget } from '../schema/request-target.ts';
import type { Operation, RecognizableRequest } from './operation.ts';
import type { OperationTable, RestOperation } from './table.ts';

/** @returns the operations that fit a request, of each service the closest */
export type MatchRest = (request: RecognizableRequest) => readonly Operation[];

/** A segment of a path template: literal text, or a label. */
type Segment =
  { readonly literal: string } | { readonly label: string; readonly isGreedy: boolean };

/** An operation whose template was split. */
type CompiledOperation = {
  readonly service: string;
  readonly name: string;
  readonly segments: readonly Segment[];
  readonly hasGreedy: boolean;
  readonly requirements: RestOperation;
  /** Higher fits more closely: literal segments, then labels, then required parameters and headers. */
  readonly rank: number;
};

const LABEL = /^\{([^}+]+)(\+?)\}$/;

const parseSegment = (text: string): Segment => {
  const [, label, greedy] = LABEL.exec(text) ?? [];
  return label === undefined ? { literal: text } : { label, isGreedy: greedy === '+' };
};

const isGreedy = (segment: Segment): boolean => 'label' in segment && segment.isGreedy;

const countRequirements = ({ query = [], headers = [] }: RestOperation): number =>
  query.length + headers.length;

/** Each part stays below 100: no template has as many segments, no operation as many requirements. */
const computeRank = (segments: readonly Segment[], requirements: RestOperation): number => {
  const literals = segments.filter((part) => 'literal' in part && part.literal !== '').length;
  const labels = segments.filter((part) => 'label' in part).length;
  return (literals * 100 + labels) * 100 + countRequirements(requirements);
};

const compileOperation = (
  service: string,
  name: string,
  requirements: RestOperation,
): CompiledOperation => {
  const path = requirements.http.slice(requirements.http.indexOf(' ') + 1);
  const segments = path.split('/').slice(1).map(parseSegment);
  const rank = computeRank(segments, requirements);
  return { service, name, segments, hasGreedy: segments.some(isGreedy), requirements, rank };
};

/**
 * Matches a path segment by segment. A greedy label takes all segments that the rest of the template
 * leaves; no label is empty.
 *
 * @returns the labels, or undefined if the path does not match
 */
const matchPath = (
  { segments, hasGreedy }: Pick<CompiledOperation, 'segments' | 'hasGreedy'>,
  path: readonly string[],
): Readonly<Record<string, string>> | undefined => {
  const spare = path.length - segments.length;
  if (spare !== 0 && !hasGreedy) return undefined;
  const labels: Record<string, string> = {};
  let at = 0;
  for (const segment of segments) {
    const taken = isGreedy(segment) ? 1 + spare : 1;
    if (taken < 1) return undefined;
    const text = taken === 1 ? path[at] : path.slice(at, at + taken).join('/');
    at += taken;
    if ('literal' in segment) {
      if (text !== segment.literal) return undefined;
    } else if (text === undefined || text === '') return undefined;
    else labels[segment.label] = text;
  }
  return at === path.length ? labels : undefined;
};

const hasParameter = (parameters: ReadonlyMap<string, string>, requirement: string): boolean => {
  const equals = requirement.indexOf('=');
  return equals < 0
    ? parameters.has(requirement)
    : parameters.get(requirement.slice(0, equals)) === requirement.slice(equals + 1);
};

const hasRequirements = (
  { query, headers }: RestOperation,
  request: RecognizableRequest,
): boolean =>
  (query?.every((requirement) => hasParameter(request.target.parameters, requirement)) ?? true) &&
  (headers?.every((name) => request.headers.has(name)) ?? true);

/** @returns the operations by method, those that fit most closely first */
const compileOperations = ({
  services,
}: OperationTable): ReadonlyMap<string, CompiledOperation[]> => {
  const byMethod = new Map<string, CompiledOperation[]>();
  for (const { id, rest = {} } of services) {
    for (const [name, operation] of Object.entries(rest)) {
      const method = operation.http.slice(0, operation.http.indexOf(' '));
      const compiled = compileOperation(id, name, operation);
      byMethod.set(method, [...(byMethod.get(method) ?? []), compiled]);
    }
  }
  for (const operations of byMethod.values()) operations.sort((a, b) => b.rank - a.rank);
  return byMethod;
};

/** `/bucket/` is the bucket, as for S3 itself: some SDKs write it. */
const removeBucketSlash = (path: string): string => path.replace(/^(\/[^/]+)\/$/, '$1');

const ENCODED_SLASH = /%2f/i;

const decodeSegments = (path: string): readonly string[] =>
  path
    .split('/')
    .slice(1)
    .map((segment) => decodeURIComponent(segment));

/**
 * The ways to split a path. An encoded slash is part of a label for services that decode after routing,
 * and a separator for others: whatever both readings find must be one operation.
 */
const readPaths = (
  { path, decodedPath }: RequestTarget,
  isS3: boolean,
): readonly (readonly string[])[] => {
  const plain = (isS3 ? removeBucketSlash(decodedPath) : decodedPath).split('/').slice(1);
  if (isS3) return ENCODED_SLASH.test(path.split('/')[1] ?? '') ? [] : [plain];
  if (plain.some((segment) => segment === '.' || segment === '..')) return [];
  return ENCODED_SLASH.test(path) ? [decodeSegments(path), plain] : [plain];
};

const isSame = (one: Operation, other: Operation): boolean =>
  one.service === other.service &&
  one.name === other.name &&
  JSON.stringify(one.labels) === JSON.stringify(other.labels);

/**
 * Prepares the REST operations of a table. Within a service the closest operation wins, as in the
 * service itself; between services nothing is preferred, because they have different hosts.
 */
export const compileRestTable = (table: OperationTable): MatchRest => {
  const byMethod = compileOperations(table);
  const isS3 = table.services.some(({ id }) => id === 's3');

  const match = (request: RecognizableRequest, path: readonly string[]): readonly Operation[] => {
    const ranks = new Map<string, number>();
    const matches: Operation[] = [];
    for (const operation of byMethod.get(request.method) ?? []) {
      const { service, name, requirements, rank } = operation;
      if ((ranks.get(service) ?? rank) > rank) continue;
      const labels = hasRequirements(requirements, request)
        ? matchPath(operation, path)
        : undefined;
      if (labels === undefined) continue;
      ranks.set(service, rank);
      matches.push({ protocol: 'rest', service, name, labels });
    }
    return matches;
  };

  return (request) => {
    const found = readPaths(request.target, isS3).flatMap((path) => match(request, path));
    return found.filter((one, at) => found.findIndex((other) => isSame(one, other)) === at);
  };
};
