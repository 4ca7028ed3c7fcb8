import { authorizeCall, recognizeCall } from '../lib/calls/call-authorization.ts';
import { selectRequestHeaders } from '../lib/calls/call-headers.ts';
import {
  parseCall,
  verifyCall,
  type CallResult,
  type ReceivedRequest,
} from '../lib/calls/call-request.ts';
import { createTableLoader } from '../lib/edge/gateway/operation-tables.ts';
import { sha256 } from '../lib/signing/canonical.ts';
import { signRequest } from '../lib/signing/sign.ts';
import { createTextSigner, type AwsKeys } from '../lib/signing/signing-keys.ts';
import type { Bench } from './bench.ts';
import { toRow, type Row } from './rows.ts';
import { signCall } from './signed-calls.ts';

const CALLS = 20_000;
const HOST = '127.0.0.1:9473';
const REGION = 'eu-central-1';
const TASK = {
  name: 'summarize',
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/reports/*'] }],
};

/** Keys of the lengths that a cloud issues. */
const buildKeys = (name: string): AwsKeys => ({
  accessKeyId: `ASIA${name.padEnd(16, '0')}`,
  secretAccessKey: name.padEnd(40, '0'),
  sessionToken: name.padEnd(760, '0'),
});

const LOCAL_KEYS = buildKeys('LOCAL');
const CLOUD_KEYS = buildKeys('CLOUD');

/** µs of CPU that the gateway's own part of a small call takes: verify, recognize, evaluate and sign. */
export async function measureCallDecision(bench: Bench): Promise<Row> {
  const decide = createDecision();
  const received = await receiveSmallCall();
  const measure = (): number => {
    const before = process.cpuUsage();
    for (let call = 0; call < CALLS; call += 1) decide(received);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / CALLS;
  };
  // The first round is for the compiler.
  const values = Array.from({ length: bench.repeats + 1 }, measure).slice(1);
  return toRow({
    name: 'gateway, verify, evaluate and sign',
    unit: 'µs of CPU',
    values,
    goal: { of: 'value', must: 'be at most', number: 80 },
  });
}

async function receiveSmallCall(): Promise<ReceivedRequest> {
  const { accessKeyId, secretAccessKey, sessionToken } = LOCAL_KEYS;
  const keys = {
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    Token: sessionToken,
  };
  const { method, path, headers } = await signCall(
    { method: 'GET', bytes: 1024 },
    { host: HOST, keys },
  );
  return { method, url: path, rawHeaders: Object.entries(headers).flat() };
}

/** The steps of `lib/edge/gateway/call-steps.ts` that neither read nor send anything. */
function createDecision(): (received: ReceivedRequest) => void {
  const service = createTableLoader()('s3');
  if (service === undefined) throw new Error('expected the operations of s3, got none');
  const signText = createTextSigner();
  const payloadHash = sha256('');
  return (received) => {
    const { request, authorization } = requireValue(parseCall(received, HOST));
    const nowMs = Date.now();
    const invalid = verifyCall({ request, authorization }, { keys: LOCAL_KEYS, nowMs }, signText);
    if (invalid !== undefined) throw new Error(invalid.message);
    const operation = requireValue(recognizeCall(service, request));
    const call = { operation, request, partition: 'aws', region: REGION, account: '111122223333' };
    const { refusal } = authorizeCall(service, call, TASK);
    if (refusal !== undefined) throw new Error(refusal.message);
    const headers = selectRequestHeaders(request.headers, 's3.eu-central-1.amazonaws.com');
    signRequest(
      { ...request, headers },
      { keys: CLOUD_KEYS, region: REGION, service: 's3', payloadHash, nowMs },
      signText,
    );
  };
}

function requireValue<T>(result: CallResult<T>): T {
  if (result.ok) return result.value;
  throw new Error(result.refusal.message);
}
