/** Prints the SDK versions of the client tests: `node e2e/clients/print-versions.ts [oldest]`. */
import { startProgress } from '../cluster/progress.ts';
import { buildClients } from './client-builds.ts';
import { startClient } from './client-process.ts';

const sdkVersion = process.argv[2] === 'oldest' ? 'oldest' : 'newest';
const clients = await buildClients(
  startProgress((line) => process.stderr.write(line)),
  sdkVersion,
);
for (const command of Object.values(clients)) {
  const client = await startClient(command, { AWS_REGION: 'us-east-1' });
  const { sdk, version, runtime } = client.start;
  console.log(`${sdk.padEnd(12)}${version.padEnd(12)}${runtime}`);
  await client.stop();
}
