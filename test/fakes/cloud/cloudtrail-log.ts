import type { CloudEvent } from './embedded-cloud.ts';

/** The cloud's record of calls to S3 as AWS CloudTrail's files have it: one line of JSON. */
export const renderCloudTrail = (events: readonly CloudEvent[]): string =>
  `${JSON.stringify({ Records: events.filter(({ service }) => service === 's3').map(toTrailRecord) })}\n`;

const toTrailRecord = ({
  at,
  method,
  path,
  code,
  requestId,
  sourceIp,
  arn,
}: CloudEvent): object => {
  const [, bucketName = '', ...key] = path.split('/');
  return {
    eventTime: new Date(at).toISOString(),
    eventSource: 's3.amazonaws.com',
    eventName: toEventName(method, key.join('/')),
    requestParameters: { bucketName, key: key.join('/') },
    ...{ requestID: requestId, sourceIPAddress: sourceIp },
    ...(code !== undefined && { errorCode: code }),
    ...(arn !== undefined && { userIdentity: { type: 'AssumedRole', arn } }),
  };
};

const OBJECT_CALLS: Readonly<Record<string, string>> = {
  GET: 'GetObject',
  HEAD: 'HeadObject',
  PUT: 'PutObject',
  DELETE: 'DeleteObject',
};

const toEventName = (method: string, key: string): string =>
  key === '' ? 'ListObjects' : (OBJECT_CALLS[method] ?? method);
