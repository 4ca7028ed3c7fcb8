/**
 * What the gateway answers to each attempt, and then to a request that is right on the same connection.
 * The connection is closed wherever the end of the first request is in doubt.
 */
const EXPECTED: Record<string, string> = {
  'with everything right': '200, then 200',
  'outside its task': '403 resource_outside, then 200',
  'without a signature': '403 signature_missing, then 200',
  'with a loopback token': '403 signature_missing, then 200',
  'with another secret': '403 signature_invalid, then 200',
  'with another session token': '403 signature_invalid, then 200',
  "with another consumer's access key": '403 signature_invalid, then 200',
  'signed 20 minutes ago': '403 clock_skew, then 200',
  'with another path than signed': '403 signature_invalid, then 200',
  'with another method than signed': '403 signature_invalid, then 200',
  'with an unsigned header of AWS': '403 header_unsigned, then 200',
  'with CL and TE': '400, then closed',
  'with TE in two headers': '400, then closed',
  'with two lengths': '400, then closed',
  'with a body of GET': '200, then 200',
  'with chunk extensions': '400, then closed',
  'with a space before the colon': '400, then closed',
  'with a bare line feed': '400, then closed',
  'with a folded header': '400, then closed',
  'in HTTP/2': 'nothing, then closed',
  'to upgrade to h2c': '200, then closed',
  'to upgrade to a WebSocket': '501 upgrade_unsupported, then closed',
  'in absolute form': '400 request_malformed, then 200',
  'by CONNECT': '405, then closed',
  'to another Host': '400 request_malformed, then 200',
  'with headers in upper case': '200, then 200',
  'with a header in two cases': '400 request_malformed, then 200',
  'with a query key twice': '400 request_malformed, then 200',
  // Keys of S3 may hold them; this cloud refuses them itself.
  'with dot segments in a key': '400, then 200',
  // Servers differ in where they split such a path.
  'with an encoded slash after the bucket': '501 operation_unknown, then 200',
  'with an encoded slash, outside its task': '501 operation_unknown, then 200',
  'from a browser': '403 not_local, then 200',
};

/** Where the socket differs: its mount is the identity, so other consumers' keys do not exist there. */
const EXPECTED_ON_SOCKET: Record<string, string> = {
  "with another consumer's access key": '403 run_unknown, then 200',
};

const formatRows = (where: string, rows: Record<string, string>): [string, RegExp][] =>
  Object.entries(rows).map(([name, outcome]) => [
    `gateway ${where} ${name}`,
    new RegExp(`^${outcome}$`),
  ]);

/** The expected outcome of each attempt at the gateway. */
export const EXPECTED_GATEWAY_OUTCOMES: Record<string, RegExp> = {
  ...Object.fromEntries([
    ...formatRows('loopback', EXPECTED),
    ...formatRows('socket', { ...EXPECTED, ...EXPECTED_ON_SOCKET }),
  ]),
  'read the seeds of local keys': /^E(ACCES|NOENT)(, E(ACCES|NOENT))*$/,
};
