import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { expect } from '@jest/globals';
import { REFUSALS } from '../../lib/exchange/refusal-table.ts';
import { createS3Client } from '../clouds/s3.ts';
import { assumeRole } from '../clouds/sts.ts';
import type { Cluster } from '../cluster/cluster-file.ts';
import {
  sendOne,
  sendOneFrom,
  createPurpose,
  buildTokenRequest,
} from '../tests/authority/authority-requests.ts';
import { expectRefusal } from '../tests/authority/audit-records.ts';
import {
  signWithPublicKey,
  toEpochSeconds,
  tamperToken,
  removeSignature,
} from '../tests/authority/forged-tokens.ts';
import {
  toEnvironment,
  callCloudFromPod,
  callSidecarWithRetry,
  cloud,
} from '../tests/test-context.ts';
import type { CloudAnswer, CredentialKeys, PodRef } from '../tests/test-context.ts';
import type { AttackByKind, AttackSender } from './attack-table.ts';

/** Pods from which requests are sent, and pods that ended. */
type TargetPods = {
  readonly agent: PodRef;
  readonly neighbor: PodRef;
  readonly deleted: PodRef;
  readonly terminating: PodRef;
};

type ExchangeAttack = AttackByKind<'exchange'>['exchange'];

const findSenderPod = (as: AttackSender, places: TargetPods): PodRef | undefined =>
  as === 'agent' || as === 'neighbor' ? places[as] : undefined;

/** Returns a stolen token, forged as the attack states. */
export const applyForgery = (
  token: string,
  forged: ExchangeAttack['forged'],
  node?: Cluster,
): string => {
  switch (forged) {
    case undefined:
      return token;
    case 'edited':
      return tamperToken(token, { exp: toEpochSeconds(600) });
    case 'unsigned':
      return removeSignature(token);
    case 'by the public key':
      return signWithPublicKey(token, readPublicKey(node));
  }
};

const readPublicKey = (node: Cluster | undefined): string => {
  if (node === undefined)
    throw new Error('expected a cluster on this machine: the public key is read on its node');
  const key = createPublicKey(readFileSync(node.clusterSigningKey));
  return key.export({ type: 'spki', format: 'pem' }).toString();
};

/** Sends a token to the authority, and expects the refusal, its record, and the Event on its pod. */
export const expectNoCredentials = async (
  { as, rule, exchange }: AttackByKind<'exchange'>,
  { token, places }: { readonly token: string; readonly places: TargetPods },
): Promise<void> => {
  const purpose = createPurpose();
  const request = buildTokenRequest({ token, purpose });
  const place = findSenderPod(as, places);
  const reply = await (place === undefined ? sendOne(request) : sendOneFrom(place, request));
  const status = REFUSALS[rule]?.status ?? 0;
  // If the token itself is refused, the caller is unknown.
  const known = rule.startsWith('pod_') && { pod: findTokenOwner(exchange, places) };
  await expectRefusal(reply, { status, reason: rule, purpose, ...known });
};

const findTokenOwner = (
  { token }: ExchangeAttack,
  { agent, deleted, terminating }: TargetPods,
): PodRef => {
  if (token === 'of a deleted pod') return deleted;
  return token === 'of a terminating pod' ? terminating : agent;
};

/** Sends a token directly to the cloud, and expects a refusal. */
export const expectNoRole = async (
  { rule }: AttackByKind<'exchange'>,
  token: string,
): Promise<void> => {
  await expect(assumeRole(cloud, { token })).rejects.toThrow(rule);
};

/** Uses the agent's credentials as the attack states. */
export const useCredentials = async (
  { as, use }: AttackByKind<'use'>,
  places: TargetPods,
): Promise<CloudAnswer> => {
  const path = '/v1/tasks/read/credentials';
  const { body } = await callSidecarWithRetry<CredentialKeys>(places.agent, 'GET', path);
  const place = findSenderPod(as, places);
  const { operation, bucket, key } = use;
  if (place !== undefined)
    return callCloudFromPod(place, operation, key, { bucket, env: toEnvironment(body) });
  if (operation !== 'get') throw new Error('operation: expected get outside of pods');
  return readOutsidePods(body, { Bucket: bucket, Key: key });
};

const readOutsidePods = async (
  { AccessKeyId, SecretAccessKey, Token }: CredentialKeys,
  place: { readonly Bucket: string; readonly Key: string },
): Promise<CloudAnswer> => {
  const keys = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token };
  const client = createS3Client(cloud, keys);
  try {
    const { $metadata } = await client.send(new GetObjectCommand(place));
    return { status: $metadata.httpStatusCode ?? 0 };
  } catch (error) {
    const { name, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
    return { status: $metadata?.httpStatusCode ?? 0, code: name };
  } finally {
    client.destroy();
  }
};
