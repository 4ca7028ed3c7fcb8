import type { Property } from './property.ts';
const [file = '', times = '1', only = ''] = process.argv.slice(2);
const all = Object.values((await import(file)) as Record<string, Property[]>).flat();
for (const { name, runs, check, close } of all.filter((p) => p.name.includes(only))) {
  const from = performance.now();
  await check({ runs: Math.ceil(runs * Number(times)) }).catch((e: Error) =>
    console.log(e.message.slice(0, 900), String((e.cause as Error)?.stack).slice(0, 900)),
  );
  console.log(name, runs, Math.round(performance.now() - from));
  await close?.();
}
process.exit();
