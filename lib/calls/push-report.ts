import type { RefCommand } from './git-commands.ts';
import type { RenderedRefusal } from './refusal-rendering.ts';

/** Data of one packet of side-band-64k, besides its length and its band. */
const MAX_BAND_BYTES = 65_515;
const REPORT_BAND = 1;

const toPacket = (data: Buffer): Buffer =>
  Buffer.concat([Buffer.from((data.length + 4).toString(16).padStart(4, '0')), data]);

const FLUSH = Buffer.from('0000');

const wrapInBand = (report: Buffer): Buffer => {
  const packets: Buffer[] = [];
  for (let at = 0; at < report.length; at += MAX_BAND_BYTES) {
    const piece = report.subarray(at, at + MAX_BAND_BYTES);
    packets.push(toPacket(Buffer.concat([Buffer.from([REPORT_BAND]), piece])));
  }
  return Buffer.concat([...packets, FLUSH]);
};

/**
 * Renders the refusal of a whole push as the report of its refs (gitprotocol-pack, "Report Status"), which
 * Git prints beside each ref. Of a refusal by HTTP status, Git prints only the status.
 *
 * @param reject returns the reason for one ref
 * @returns undefined if the client asked for no report
 */
export const renderPushReport = (
  {
    commands,
    capabilities,
  }: {
    readonly commands: readonly RefCommand[];
    readonly capabilities: ReadonlySet<string>;
  },
  { code, reject }: { code: string; reject: (command: RefCommand) => string },
): RenderedRefusal | undefined => {
  if (!capabilities.has('report-status') && !capabilities.has('report-status-v2')) return undefined;
  const lines = ['unpack ok', ...commands.map((each) => `ng ${each.ref} ${reject(each)}`)];
  const packets = lines.map((line) => toPacket(Buffer.from(`${line}\n`)));
  const report = Buffer.concat([...packets, FLUSH]);
  return {
    status: 200,
    headers: {
      'x-valetkey-code': code,
      'content-type': 'application/x-git-receive-pack-result',
      'cache-control': 'no-cache',
    },
    body: capabilities.has('side-band-64k') ? wrapInBand(report) : report,
  };
};
