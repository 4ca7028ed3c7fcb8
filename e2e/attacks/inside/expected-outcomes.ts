/** The expected outcome of each attempt to reach beyond the container. */
export const EXPECTED_ISOLATION: Record<string, RegExp> = {
  'read the token by path': /^(ENOENT|EACCES)(, (ENOENT|EACCES))*$/,
  'read the token anywhere': /^nothing$/,
  'find the sidecar in /proc': /^not there$/,
  'send SIGUSR1 to every process': /^ESRCH$/,
  'send SIGKILL to every process': /^ESRCH$/,
  "read every process's environment": /^ENOENT$/,
  "write every process's memory": /^ENOENT$/,
  'reach the inspector': /^ECONNREFUSED$/,
  'list listeners': /^9471, 9472$/,
  "connect to the other consumer's socket": /^ENOENT$/,
  'replace the socket': /^E(ROFS|ACCES|PERM)(, E(ROFS|ACCES|PERM))*$/,
  'mount over the socket': /permitted|denied/i,
  'remount the socket writable': /permitted|denied/i,
  'unmount the socket': /permitted|denied/i,
  'climb out of a route': /^404 route_unknown$/,
};

/** The expected outcome of each attempt. */
export const EXPECTED_OUTCOMES: Record<string, RegExp> = {
  ...EXPECTED_ISOLATION,
  'loopback with everything right': /^200$/,
  'loopback without authorization': /^401 unauthorized$/,
  'loopback with an empty authorization': /^401 unauthorized$/,
  'loopback with the wrong authorization': /^401 unauthorized$/,
  'loopback with the token as Bearer': /^401 unauthorized$/,
  'loopback with two authorizations': /^403 not_local$/,
  'loopback to start a run without authorization': /^401 unauthorized$/,
  'loopback to end a run without authorization': /^401 unauthorized$/,
  'loopback to Host localhost': /^403 not_local$/,
  'loopback to a rebound Host': /^403 not_local$/,
  'loopback to two Hosts': /^4\d\d/,
  'loopback to no Host': /^4\d\d/,
  'loopback from an Origin': /^403 not_local$/,
  'loopback from the Origin null': /^403 not_local$/,
  'loopback from a browser': /^403 not_local$/,
  'loopback through a proxy': /^403 not_local$/,
  'loopback forwarded for another': /^403 not_local$/,
  'loopback in absolute form': /^403 not_local$/,
  'loopback in absolute form, elsewhere': /^403 not_local$/,
  'loopback with two slashes first': /^404 route_unknown$/,
  'loopback by CONNECT': /^405 method_not_allowed$/,
  'loopback by OPTIONS *': /^403 not_local$/,
  'loopback by TRACE': /^405 method_not_allowed$/,
  'loopback to upgrade': /^403 not_local$/,
};

/** Expected outcomes of requests to both listeners. */
const EXPECTED_ON_EITHER_LISTENER: Record<string, RegExp> = {
  'with CL and TE': /^400 bad_request$/,
  'with two lengths': /^400 bad_request$/,
  'with TE in disguise': /^400 bad_request$/,
  'with a bare line feed': /^400 bad_request$/,
  'with a folded header': /^400 bad_request$/,
  'with a NUL in a header': /^400 bad_request$/,
  // GOAWAY with HTTP_1_1_REQUIRED.
  'in HTTP/2': /^cut$/,
  'in TLS': /^400 bad_request$/,
  'with a path of 1 MB': /^431 headers_too_large$|^cut$/,
  'with 20,000 headers': /^431 headers_too_large$|^cut$/,
  'with a header of 1 MB': /^431 headers_too_large$|^cut$/,
  'with 400 small headers': /^200$|^431/,
  'with a length of 1 TB': /^413 body_too_large$/,
  'with 1 MB in chunks': /^413 body_too_large$|^cut$/,
  'with a chunk that has no end': /^4\d\d|^cut$/,
  'with lists 8,000 deep': /^400 bad_request$/,
  'with __proto__': /^400 bad_request$/,
  'with unknown members': /^400 bad_request$/,
  'with a body that says another type': /^415 not_json$/,
};

for (const [name, outcome] of Object.entries(EXPECTED_ON_EITHER_LISTENER)) {
  for (const where of ['loopback', 'socket']) EXPECTED_OUTCOMES[`${where} ${name}`] = outcome;
}
