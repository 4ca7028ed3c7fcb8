import type { Session } from '../sts/sessions.ts';
import { hmac, sha256 } from './digests.ts';
import type { Authorization } from './signature.ts';

const ALGORITHM = 'AWS4-HMAC-SHA256';

/** The link of a chunk signature to the one before it (S3 API Reference, "Signature calculations"). */
export const chunkSigner = (given: {
  authorization: Authorization;
  session: Session;
  longDate: string;
}) => {
  const { date, region, service } = given.authorization;
  const scope = `${date}/${region}/${service}/aws4_request`;
  const key = [date, region, service, 'aws4_request'].reduce<Buffer>(
    (secret, part) => hmac(secret, part),
    Buffer.from(`AWS4${given.session.secretAccessKey}`),
  );
  const { longDate } = given;
  return {
    chunk: (previous: string, data: Buffer): string =>
      hmac(
        key,
        [`${ALGORITHM}-PAYLOAD`, longDate, scope, previous, sha256(''), sha256(data)].join('\n'),
      ).toString('hex'),
    trailer: (previous: string, text: string): string =>
      hmac(
        key,
        [`${ALGORITHM}-TRAILER`, longDate, scope, previous, sha256(text)].join('\n'),
      ).toString('hex'),
  };
};
