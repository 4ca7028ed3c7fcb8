import { mkdtempSync, rmSync } from 'node:fs';
import { createPod } from './authority-cluster.ts';
import { exchangeRequest, startAuthority } from './authority.ts';
import { buildBaseline, fillCompileCache } from './bench.ts';
import { loadServer } from './load.ts';
import { startSts } from './sts.ts';
const folder = mkdtempSync('/tmp/vkp-');
const baseline = await buildBaseline(folder);
const bench = {
  folder,
  programs: process.argv[4] ?? '/work/main/dist',
  baseline,
  repeats: 1,
  seconds: 3,
  progress: console.error,
};
const node = process.execPath;
if (process.argv[2] === 'prof') process.execPath = '/tmp/vkprof/node.sh';
const sts = await startSts();
const a = await startAuthority(bench, sts);
try {
  const request = exchangeRequest(await createPod(a.cluster, 'agent-0'));
  for (let i = 0; i < Number(process.argv[3] ?? 5); i += 1)
    console.log(await loadServer(bench, a, { request, connections: 16, seconds: 3 }));
} finally {
  await a.stop();
  await sts.stop();
  rmSync(folder, { recursive: true });
}
