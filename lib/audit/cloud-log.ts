/** One request that a cloud logged, under a session of a role. */
export type CloudCall = {
  /** Milliseconds since the epoch, by the cloud's clock. */
  readonly at: number;
  readonly session: string;
  /** As the cloud calls it: `get_obj`, `GetObject`. */
  readonly operation: string;
  /** `<bucket>/<object>`, or as much of it as the request names. */
  readonly target: string;
  /** An HTTP status, or CloudTrail's error code. */
  readonly outcome: string;
  readonly from: string;
};

type Members = Readonly<Record<string, unknown>>;

/**
 * Reads the calls that one line of a cloud's log holds; none where it holds something else.
 *
 * Known are Ceph RGW's ops log (`rgw_ops_log_file_path`; `sts_info` names the session) and AWS
 * CloudTrail, an event a line or a whole file of `{"Records": […]}` in one.
 */
export const readCloudCalls = (line: string): readonly CloudCall[] => {
  const entry = parsed(line);
  const records = entry['Records'];
  const entries = Array.isArray(records) ? records.map(asMembers) : [entry];
  return entries.flatMap((each) => [...fromRgw(each), ...fromCloudTrail(each)]);
};

const fromRgw = (entry: Members): readonly CloudCall[] => {
  const session = asMembers(entry['sts_info'])['role_session'];
  const at = timeOf(entry['time']);
  if (typeof session !== 'string' || at === undefined) return [];
  const error = text(entry['error_code']);
  return [
    {
      at,
      session,
      operation: text(entry['operation']),
      target: rgwTarget(entry),
      outcome: [text(entry['http_status']), error].filter(Boolean).join(' '),
      from: text(entry['remote_addr']),
    },
  ];
};

/**
 * RGW 16 names no object, but writes the request's line: `GET /bucket/object?query HTTP/1.1`. Where
 * the bucket stands in the host's name, the path is the object alone.
 */
const rgwTarget = (entry: Members): string => {
  const bucket = text(entry['bucket']);
  if (entry['object'] !== undefined) return joined(bucket, entry['object']);
  const [, path = ''] = /^[A-Z]+ \/([^?\s]*)/.exec(text(entry['uri'])) ?? [];
  const isWhole = path === bucket || path.startsWith(`${bucket}/`);
  return joined(bucket, isWhole ? path.slice(bucket.length + 1) : path);
};

const fromCloudTrail = (entry: Members): readonly CloudCall[] => {
  const arn = text(asMembers(entry['userIdentity'])['arn']);
  const session = /^arn:[^:]+:sts::\d*:assumed-role\/.+\/([^/]+)$/.exec(arn)?.[1];
  const at = timeOf(entry['eventTime']);
  if (session === undefined || at === undefined) return [];
  const asked = asMembers(entry['requestParameters']);
  return [
    {
      at,
      session,
      operation: text(entry['eventName']),
      target: joined(asked['bucketName'], asked['key']) || text(entry['eventSource']),
      outcome: text(entry['errorCode']) || 'ok',
      from: text(entry['sourceIPAddress']),
    },
  ];
};

const parsed = (line: string): Members => {
  try {
    return asMembers(JSON.parse(line));
  } catch {
    return {};
  }
};

const asMembers = (value: unknown): Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {};

const text = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : '';

const joined = (bucket: unknown, object: unknown): string =>
  [text(bucket), text(object)].filter(Boolean).join('/');

const timeOf = (value: unknown): number | undefined => {
  const at = Date.parse(text(value));
  return Number.isNaN(at) ? undefined : at;
};
