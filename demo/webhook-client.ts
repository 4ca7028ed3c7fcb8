import { randomUUID } from 'node:crypto';
import { request } from 'node:https';
import type { JsonPatchOp } from '../lib/contract/json-patch-operation.ts';
import { MUTATE_PATH, VALIDATE_PATH } from '../lib/contract/paths.ts';
import type { Pod } from '../lib/contract/pod.ts';
import { applyPatch } from '../lib/injection/json-patch.ts';

/** Address of the webhook, and what an API server verifies its certificate with. */
export type WebhookAddress = {
  readonly port: number;
  /** CA certificates, PEM. */
  readonly ca: string;
  /** DNS name of its Service: `<service>.<namespace>.svc`. */
  readonly serverName: string;
};

/** The response of an AdmissionReview. */
export type ReviewResult = {
  readonly allowed: boolean;
  readonly message: string;
  readonly warnings: readonly string[];
  readonly patch: readonly JsonPatchOp[];
};

/** What both webhooks decide about a new pod. */
export type ReviewedPod = {
  readonly allowed: boolean;
  /** Why it was refused. */
  readonly message: string;
  readonly patched: Pod;
  /** Number of operations of the patch. */
  readonly operations: number;
};

type ReviewResponse = {
  readonly uid: string;
  readonly allowed: boolean;
  readonly status?: { readonly message?: string };
  readonly warnings?: readonly string[];
  readonly patchType?: string;
  readonly patch?: string;
};

/**
 * Requests the creation of a pod as an API server does: AdmissionReview of admission.k8s.io/v1 over
 * HTTPS, with verification of the certificate.
 *
 * @throws Error if there is no response, or it belongs to another request
 */
const reviewPod = async (
  webhook: WebhookAddress,
  path: string,
  pod: Pod,
): Promise<ReviewResult> => {
  const uid = randomUUID();
  const review = {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: buildCreateRequest(pod, uid),
  };
  const answer = await postReview(webhook, path, JSON.stringify(review));
  const { response } = JSON.parse(answer) as { readonly response: ReviewResponse };
  if (response.uid !== uid) throw new Error(`${path}: the answer is another request's`);
  return {
    allowed: response.allowed,
    message: response.status?.message ?? '',
    warnings: response.warnings ?? [],
    patch: readPatch(response),
  };
};

/** Requests the creation of a pod by both webhooks: the patch, then the validation of the result. */
export const reviewNewPod = async (webhook: WebhookAddress, pod: Pod): Promise<ReviewedPod> => {
  const { allowed, message, patch } = await reviewPod(webhook, MUTATE_PATH, pod);
  const operations = patch.length;
  if (!allowed) return { allowed, message, patched: pod, operations };
  const patched = applyPatch(pod, patch) as Pod;
  const validated = await reviewPod(webhook, VALIDATE_PATH, patched);
  return { allowed: validated.allowed, message: validated.message, patched, operations };
};

const buildCreateRequest = (pod: Pod, uid: string): object => {
  const { name, namespace } = pod.metadata ?? {};
  return {
    uid,
    kind: { group: '', version: 'v1', kind: 'Pod' },
    resource: { group: '', version: 'v1', resource: 'pods' },
    requestKind: { group: '', version: 'v1', kind: 'Pod' },
    requestResource: { group: '', version: 'v1', resource: 'pods' },
    name,
    namespace,
    operation: 'CREATE',
    userInfo: { username: 'demo', groups: ['system:authenticated'] },
    object: pod,
    oldObject: null,
    dryRun: false,
    options: { apiVersion: 'meta.k8s.io/v1', kind: 'CreateOptions' },
  };
};

const readPatch = ({ patch, patchType }: ReviewResponse): readonly JsonPatchOp[] => {
  if (patch === undefined) return [];
  if (patchType !== 'JSONPatch') throw new Error(`expected a JSONPatch, got ${String(patchType)}`);
  return JSON.parse(Buffer.from(patch, 'base64').toString()) as readonly JsonPatchOp[];
};

/** The longest that an API server allows: the machine may be busy. */
const TIMEOUT_SECONDS = 30;

const postReview = (webhook: WebhookAddress, path: string, body: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port: webhook.port,
        path: `${path}?timeout=${TIMEOUT_SECONDS}s`,
        method: 'POST',
        ca: webhook.ca,
        servername: webhook.serverName,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        agent: false,
        timeout: TIMEOUT_SECONDS * 1000,
      },
      (incoming) => {
        const parts: Buffer[] = [];
        incoming.on('data', (part: Buffer) => parts.push(part));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const text = Buffer.concat(parts).toString();
          if (incoming.statusCode === 200) resolve(text);
          else reject(new Error(`${path}: ${incoming.statusCode ?? 0} ${text.slice(0, 500)}`));
        });
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${path}: no answer`)));
    outgoing.on('error', reject);
    outgoing.end(body);
  });
