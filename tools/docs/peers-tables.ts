import type { Peers, PeerTable } from '../../bench/peers.ts';
import type { Row } from '../../bench/rows.ts';
import { renderMarkdownTable } from './markdown-table.ts';

const NONE = '–';

const formatNumber = (value: number | null | undefined): string =>
  value?.toLocaleString('en-US', { maximumSignificantDigits: 3 }) ?? NONE;

/** A figure that the published run lacks is a dash: its row is newer than the run. */
const createFinder = (rows: readonly Row[]) => {
  const byName = new Map(rows.map((row) => [row.name, row]));
  return (name: string) => byName.get(name);
};

/** Our figures and those of bare Go in the published run, beside those of the peers. */
export const renderPeerTable = (
  title: string,
  { programs, figures }: PeerTable,
  rows: readonly Row[],
): string => {
  const find = createFinder(rows);
  return renderMarkdownTable(
    [title, 'Valetkey', 'bare Go', ...programs],
    figures.map(({ name, row, peers }) => {
      const found = find(row);
      return [name, formatNumber(found?.value), formatNumber(found?.baseline), ...peers];
    }),
  );
};

/** The gateway and a signing proxy under the same loads: in each cell our figure, then the peer's. */
export const renderGatewayTable = (
  { program, loads }: Peers['gateway'],
  rows: readonly Row[],
): string => {
  const find = createFinder(rows);
  const head = ['per second', 'CPU, µs per call', 'p99, ms', `peak of ${program}, MB`];
  return renderMarkdownTable(
    [`Valetkey / ${program}`, ...head],
    Object.entries(loads).map(([load, peer]) => {
      const format = (what: string, theirs: number): string =>
        `${formatNumber(find(`gateway, ${load}${what}`)?.value)} / ${formatNumber(theirs)}`;
      return [
        load,
        format('', peer.perSecond),
        format(', CPU', peer.cpuUs),
        format(', p99', peer.p99Ms),
        formatNumber(peer.peakMegabytes),
      ];
    }),
  );
};
