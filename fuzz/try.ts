import { podProperties } from './pod-properties.ts';
for (const { name, runs, check } of podProperties) {
  const from = performance.now();
  await check({ runs }).catch((e: Error) => console.log(e.message.slice(0,300), String((e.cause as Error)?.message).slice(0,600)));
  console.log(name, runs, Math.round(performance.now() - from));
}
