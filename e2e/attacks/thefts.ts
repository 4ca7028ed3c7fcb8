import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { expect } from '@jest/globals';
import { REFUSALS } from '../../lib/issuing/refusals.ts';
import { s3Client } from '../clouds/s3.ts';
import { assumeRole } from '../clouds/sts.ts';
import type { Cluster } from '../cluster/record.ts';
import { ask, askFrom, newPurpose, tokenRequest } from '../stories/authority/authority.ts';
import { expectRefusal } from '../stories/authority/records.ts';
import { macByPublicKey, seconds, tampered, unsigned } from '../stories/authority/tokens.ts';
import { asEnvironment, askCloud, askPatiently, cloud } from '../stories/stage.ts';
import type { CloudAnswer, Keys, Place } from '../stories/stage.ts';
import type { AttackOf, Sender } from './table.ts';

/** Who can be sent from, besides outside of all pods, and who is there no longer. */
type Places = {
  readonly agent: Place;
  readonly neighbour: Place;
  readonly deleted: Place;
  readonly closing: Place;
};

type Exchange = AttackOf<'exchange'>['exchange'];

const placeOf = (as: Sender, places: Places): Place | undefined =>
  as === 'agent' || as === 'neighbour' ? places[as] : undefined;

/** A token as it came into somebody's hands, or as they changed it. */
export const forge = (token: string, forged: Exchange['forged'], node?: Cluster): string => {
  switch (forged) {
    case undefined:
      return token;
    case 'edited':
      return tampered(token, { exp: seconds(600) });
    case 'unsigned':
      return unsigned(token);
    case 'by the public key':
      return macByPublicKey(token, publicKeyOf(node));
  }
};

const publicKeyOf = (node: Cluster | undefined): string => {
  if (node === undefined) throw new Error('the public key stands on the node');
  const key = createPublicKey(readFileSync(node.clusterSigningKey));
  return key.export({ type: 'spki', format: 'pem' }).toString();
};

/** Puts a token to the authority, and expects the refusal, its record, and the Event on its pod. */
export const expectNoCredentials = async (
  { as, rule, exchange }: AttackOf<'exchange'>,
  { token, places }: { readonly token: string; readonly places: Places },
): Promise<void> => {
  const purpose = newPurpose();
  const wish = tokenRequest({ token, purpose });
  const place = placeOf(as, places);
  const reply = await (place === undefined ? ask(wish) : askFrom(place, wish));
  const status = REFUSALS[rule]?.status ?? 0;
  // Where the token itself is refused, nobody is known.
  const known = rule.startsWith('pod_') && { pod: ownerOf(exchange, places) };
  await expectRefusal(reply, { status, reason: rule, purpose, ...known });
};

const ownerOf = ({ token }: Exchange, { agent, deleted, closing }: Places): Place => {
  if (token === 'of a deleted pod') return deleted;
  return token === 'of a closing pod' ? closing : agent;
};

/** Puts a token straight to the cloud. */
export const expectNoRole = async (
  { rule }: AttackOf<'exchange'>,
  token: string,
): Promise<void> => {
  await expect(assumeRole(cloud, { token })).rejects.toThrow(rule);
};

/** Uses the agent's credentials as the attack says. */
export const useCredentials = async (
  { as, use }: AttackOf<'use'>,
  places: Places,
): Promise<CloudAnswer> => {
  const path = '/v1/tasks/read/credentials';
  const { body } = await askPatiently<Keys>(places.agent, 'GET', path);
  const place = placeOf(as, places);
  const { operation, bucket, key } = use;
  if (place !== undefined)
    return askCloud(place, operation, key, { bucket, env: asEnvironment(body) });
  if (operation !== 'get') throw new Error('outside of pods, objects are read');
  return readFromOutside(body, { Bucket: bucket, Key: key });
};

const readFromOutside = async (
  { AccessKeyId, SecretAccessKey, Token }: Keys,
  place: { readonly Bucket: string; readonly Key: string },
): Promise<CloudAnswer> => {
  const keys = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token };
  const client = s3Client(cloud, keys);
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
