import { auditBucket } from '../../clouds/cloud-trust.ts';
import type { Cloud } from '../../clouds/cloud.ts';
import { sendAsAdmin } from '../../clouds/signed-request.ts';

const contents = new Map<string, string>();

/**
 * Reads the audit files in the bucket as its owner, each once, because none is ever replaced. The policy of
 * the bucket permits it, as docs/audit.md describes.
 */
export const readExportedFiles = async (cloud: Cloud): Promise<readonly string[]> => {
  const get = (path: string) => sendAsAdmin(cloud, { service: 's3', method: 'GET', path });
  const { body } = await get(`/${auditBucket}?prefix=e2e%2F`);
  for (const [, key = ''] of body.matchAll(/<Key>([^<]+)<\/Key>/g)) {
    if (!contents.has(key)) contents.set(key, (await get(`/${auditBucket}/${key}`)).body);
  }
  return [...contents.values()];
};
