import { createPrivateKey } from 'node:crypto';
import type { AuditFile } from '../../lib/audit/file-verification.ts';
import { parseSealingKey, readPublicKeys, type SealingKey } from '../../lib/audit/sealing-keys.ts';
import { createRecorder, type RecorderSettings } from '../../lib/audit/recorder.ts';
import { AUDIT_EVENTS, STARTED_AT } from './audit-events.ts';

/** RFC 8410, section 7: an Ed25519 key in PKCS #8, up to its 32 bytes. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

/** A key that is the same each time: Ed25519 signatures are deterministic (RFC 8032). */
const buildSealingKey = (byte: number): SealingKey => {
  const key = Buffer.concat([PKCS8_HEAD, Buffer.alloc(32, byte)]);
  const opened = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  return parseSealingKey(opened.export({ type: 'pkcs8', format: 'pem' }).toString());
};

export const sealingKey = buildSealingKey(7);
export const otherKey = buildSealingKey(8);
export const publicKeys = readPublicKeys(sealingKey.publicKey);

const clockFrom = (start: number): RecorderSettings['clock'] => {
  let elapsed = 0;
  const tick = (): number => (elapsed += 1);
  return { now: () => start + tick(), monotonic: tick };
};

type Recorded = { readonly text: string; readonly head: ReturnType<RecorderHead> };
type RecorderHead = Awaited<ReturnType<typeof createRecorder>>['head'];

/** The text that one process records of every event, with a checkpoint in the middle. */
export const recordEvents = async (
  resumeFrom: RecorderSettings['resumeFrom'] = {},
  name = 'chain1',
): Promise<Recorded> => {
  const lines: string[] = [];
  const append = (text: string): Promise<void> => Promise.resolve(void lines.push(text));
  const recorder = await createRecorder({
    sinks: [{ append, close: () => Promise.resolve() }],
    ...{ key: sealingKey, clock: clockFrom(STARTED_AT), resumeFrom },
    ...{ replica: 'valetkey-authority-0', version: '1.2.3', newId: () => name },
  });
  for (const [index, event] of AUDIT_EVENTS.entries()) {
    await recorder.record(event);
    if (index % 5 === 4) await recorder.checkpoint();
  }
  await recorder.close();
  return { text: lines.join(''), head: recorder.head() };
};

export const auditFile = (text: string, name = 'a.jsonl'): AuditFile => ({
  name,
  chunks: (async function* () {
    yield await Promise.resolve(Buffer.from(text));
  })(),
});
