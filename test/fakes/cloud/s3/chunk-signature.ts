import type { Session } from '../sts/sessions.ts';
import { computeHmac, hashSha256 } from './digests.ts';
import type { Authorization } from './signature.ts';

const ALGORITHM = 'AWS4-HMAC-SHA256';

/** The link of a chunk signature to the one before it (S3 API Reference, "Signature calculations"). */
export const createChunkSigner = (given: {
  authorization: Authorization;
  session: Session;
  longDate: string;
}) => {
  const { date, region, service } = given.authorization;
  const scope = `${date}/${region}/${service}/aws4_request`;
  const key = [date, region, service, 'aws4_request'].reduce<Buffer>(
    (secret, part) => computeHmac(secret, part),
    Buffer.from(`AWS4${given.session.secretAccessKey}`),
  );
  const { longDate } = given;
  return {
    chunk: (previous: string, data: Buffer): string =>
      computeHmac(
        key,
        [`${ALGORITHM}-PAYLOAD`, longDate, scope, previous, hashSha256(''), hashSha256(data)].join(
          '\n',
        ),
      ).toString('hex'),
    trailer: (previous: string, text: string): string =>
      computeHmac(
        key,
        [`${ALGORITHM}-TRAILER`, longDate, scope, previous, hashSha256(text)].join('\n'),
      ).toString('hex'),
  };
};
