import { setTimeout as pause } from 'node:timers/promises';

import { tryAccessKeyCreation } from '../../lib/edge/aws/access-key-check.ts';
import { sendRequest } from '../../lib/edge/http/https-client.ts';
import { sendSignedGet } from '../../lib/edge/http/signed-request.ts';
import { CONSUMER_MOUNT_PATH, SOCKET_FILE_NAME } from '../../lib/contract/paths.ts';
import type { SmokeProbeLine, SmokeProbePlan } from '../../lib/contract/smoke-test.ts';
import { runSmokeProbe } from './smoke-probe.ts';

const SOCKET = `${CONSUMER_MOUNT_PATH}/${SOCKET_FILE_NAME}`;
const MAX_BODY_BYTES = 64 * 1024;

const print = (line: SmokeProbeLine): void =>
  void process.stdout.write(`${JSON.stringify(line)}\n`);

const main = async (): Promise<void> => {
  const plan = JSON.parse(process.argv[2] ?? '') as SmokeProbePlan;
  const { region, dialect, allowHttp, s3Endpoint, caBundle, httpsProxy, noProxy } = plan;
  const trusted = caBundle === undefined ? {} : { caBundle };
  await runSmokeProbe(plan, {
    askSidecar: (path) =>
      sendRequest(
        { protocol: 'http:', socketPath: SOCKET, path, headers: { host: 'valetkey' } },
        { maxBodyBytes: MAX_BODY_BYTES },
      ),
    sendToCloud: (request) => sendSignedGet({ ...request, ...trusted }),
    tryKeys: (keys) =>
      tryAccessKeyCreation(
        {
          region,
          dialect,
          allowHttp,
          ...trusted,
          ...(httpsProxy !== undefined && { httpsProxy }),
          ...(noProxy !== undefined && { noProxy }),
          // A private cloud serves IAM where it serves S3.
          ...(dialect === 's3' && { endpoint: s3Endpoint }),
        },
        keys,
      ),
    print,
    now: Date.now,
    pause,
  });
};

// What Node or an SDK throws could contain the request: only its name is printed.
main().catch((error: unknown) => {
  print({ step: 'failed', answer: error instanceof Error ? error.name : 'unknown' });
  process.exitCode = 1;
});
