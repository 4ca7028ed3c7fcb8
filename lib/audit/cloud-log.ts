import { toMapping } from '../schema/mapping.ts';
import { parseSessionName } from '../schema/arn.ts';

/** One request that a cloud logged for a role session. */
export type CloudCall = {
  /** Milliseconds since the epoch, by the cloud's clock. */
  readonly at: number;
  readonly session: string;
  /** Operation name of the cloud: `get_obj`, `GetObject`. */
  readonly operation: string;
  /** `<bucket>/<object>`, as far as the request names them. */
  readonly target: string;
  /** HTTP status or CloudTrail error code. */
  readonly outcome: string;
  readonly from: string;
};

type Members = Readonly<Record<string, unknown>>;

/**
 * Reads the calls in one line of a cloud's log; none when the line is something else.
 *
 * Supported are the Ceph RGW ops log (`rgw_ops_log_file_path`; `sts_info` names the session) and AWS
 * CloudTrail, one event a line or a file of `{"Records": […]}` in one.
 */
export const readCloudCalls = (line: string): readonly CloudCall[] => {
  const entry = parseLine(line);
  const records = entry['Records'];
  const entries = Array.isArray(records) ? records.map(toMapping) : [entry];
  return entries.flatMap((each) => [...readRgwCalls(each), ...readCloudTrailCalls(each)]);
};

const readRgwCalls = (entry: Members): readonly CloudCall[] => {
  const session = toMapping(entry['sts_info'])['role_session'];
  const at = parseTime(entry['time']);
  if (typeof session !== 'string' || at === undefined) return [];
  const error = toText(entry['error_code']);
  return [
    {
      at,
      session,
      operation: toText(entry['operation']),
      target: formatRgwTarget(entry),
      outcome: [toText(entry['http_status']), error].filter(Boolean).join(' '),
      from: toText(entry['remote_addr']),
    },
  ];
};

/**
 * RGW 16 does not log the object, but the request line: `GET /bucket/object?query HTTP/1.1`. With the
 * bucket in the host name, the path is only the object.
 */
const formatRgwTarget = (entry: Members): string => {
  const bucket = toText(entry['bucket']);
  if (entry['object'] !== undefined) return joinPath(bucket, entry['object']);
  const [, path = ''] = /^[A-Z]+ \/([^?\s]*)/.exec(toText(entry['uri'])) ?? [];
  const isWhole = path === bucket || path.startsWith(`${bucket}/`);
  return joinPath(bucket, isWhole ? path.slice(bucket.length + 1) : path);
};

const readCloudTrailCalls = (entry: Members): readonly CloudCall[] => {
  const session = parseSessionName(toText(toMapping(entry['userIdentity'])['arn']));
  const at = parseTime(entry['eventTime']);
  if (session === undefined || at === undefined) return [];
  const asked = toMapping(entry['requestParameters']);
  return [
    {
      at,
      session,
      operation: toText(entry['eventName']),
      target: joinPath(asked['bucketName'], asked['key']) || toText(entry['eventSource']),
      outcome: toText(entry['errorCode']) || 'ok',
      from: toText(entry['sourceIPAddress']),
    },
  ];
};

const parseLine = (line: string): Members => {
  try {
    return toMapping(JSON.parse(line));
  } catch {
    return {};
  }
};

const toText = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : '';

const joinPath = (bucket: unknown, object: unknown): string =>
  [toText(bucket), toText(object)].filter(Boolean).join('/');

const parseTime = (value: unknown): number | undefined => {
  const at = Date.parse(toText(value));
  return Number.isNaN(at) ? undefined : at;
};
