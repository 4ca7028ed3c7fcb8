import { describe, expect, it } from '@jest/globals';
import { buildSignClients } from '../clients/client-builds.ts';
import { formatReadTimeout, measureReadTimeout } from '../clients/read-timeouts.ts';
import { recordMeasurement } from '../measurements.ts';
import { testContext } from './test-context.ts';

/** Seconds that docs/approvals.md states; of clients that are not listed: longer than is measured. */
const DOCUMENTED: Readonly<Record<string, number>> = {
  pyarrow: 10,
  s3fs: 15,
  java: 30,
  object_store: 30,
  duckdb: 30,
  boto3: 60,
  awscli: 60,
};
/** A client counts from before its request arrives. */
const ARRIVAL_MS = 2_000;

const progress = (line: string) => process.stdout.write(`${line}\n`);
const { newest } = testContext.clients;
const clients = { ...newest, ...(await buildSignClients(progress)) };
const cases = Object.entries(clients).map(([name, command]) => ({ name, command }));

describe('a client whose call gets no answer', () => {
  it.concurrent.each(cases)(
    '$name waits as long as docs/approvals.md says, by its own defaults',
    async ({ name, command }) => {
      const waitedMs = await measureReadTimeout(command);
      recordMeasurement(testContext.folder, {
        entry: testContext.entry,
        name: `that ${name} waits for an answer`,
        value: formatReadTimeout(waitedMs),
      });
      const documented = DOCUMENTED[name];
      if (documented === undefined) expect(waitedMs).toBeUndefined();
      else expect(waitedMs).toBeGreaterThan(documented * 1_000 - ARRIVAL_MS);
    },
  );
});
