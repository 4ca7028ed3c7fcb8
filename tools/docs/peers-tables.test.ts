import { describe, expect, it } from '@jest/globals';
import { readPeers } from '../../bench/peers.ts';
import { renderGatewayTable, renderPeerTable } from './peers-tables.ts';

const row = (name: string, value: number, baseline: number | null = null) => ({
  ...{ name, value, unit: 'ms', baseline, ratio: null, goal: null, met: null },
});

describe('renderPeerTable', () => {
  const table = {
    programs: ['a peer'],
    figures: [
      { name: 'reviews', row: 'admission', peers: ['3,041'] },
      { name: 'memory', row: 'memory after load', peers: ['26'] },
    ],
  };

  it('shows our figure of the published run before those of the peers', () => {
    const lines = renderPeerTable('admission', table, [row('admission', 2993, 6120)]).split('\n');
    expect(lines[0]).toMatch(/^\| admission +\| Valetkey +\| bare Go +\| a peer +\|$/);
    expect(lines[2]).toMatch(/^\| reviews +\| 2,990 +\| 6,120 +\| 3,041 +\|$/);
  });

  it('shows a dash for a figure that the published run lacks', () => {
    const lines = renderPeerTable('admission', table, []).split('\n');
    expect(lines[3]).toMatch(/^\| memory +\| – +\| – +\| 26 +\|$/);
  });
});

describe('renderGatewayTable', () => {
  const loads = {
    'GET × 1': { perSecond: 2633, cpuUs: 219, p99Ms: 0.9, peakMegabytes: 27 },
  };

  it('shows rate, CPU and latency of one load beside those of the peer', () => {
    const rows = [row('gateway, GET × 1', 1360), row('gateway, GET × 1, CPU', 340)];
    const lines = renderGatewayTable({ program: 'a proxy', loads }, rows).split('\n');
    expect(lines[2]).toMatch(
      /^\| GET × 1 +\| 1,360 \/ 2,630 +\| 340 \/ 219 +\| – \/ 0.9 +\| 27 +\|$/,
    );
  });
});

describe('bench/peers.json', () => {
  it('has a figure of each program in each row', () => {
    const { admission, credentials } = readPeers();
    for (const { programs, figures } of [admission, credentials]) {
      for (const { peers } of figures) expect(peers).toHaveLength(programs.length);
    }
  });
});
