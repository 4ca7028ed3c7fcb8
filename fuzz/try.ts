import { podProperties } from './pod-properties.ts';
for (const { name, runs, check } of podProperties.slice(+(process.argv[2] ?? 0))) {
  const from = performance.now();
  await check({ runs: runs * +(process.argv[3] ?? 1) }).catch((e: Error) =>
    console.log(e.message.slice(0, 300), String((e.cause as Error)?.message).slice(0, 600)),
  );
  console.log(name, runs, Math.round(performance.now() - from));
}
