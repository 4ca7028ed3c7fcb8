import { beforeAll, describe, expect, it } from '@jest/globals';
import { execInPod } from '../cluster/kubectl.ts';
import { CommandError } from '../cluster/command.ts';
import {
  buildAgentContainer,
  cloud,
  cluster,
  createNamespace,
  readReports,
  runPod,
  testContext,
} from './test-context.ts';

describe(`awscli in a pod on ${cloud.name}`, () => {
  const place = { namespace: '', pod: 'awscli', container: 'awscli' };

  beforeAll(async () => {
    place.namespace = await createNamespace('awscli');
    const container = {
      ...buildAgentContainer('awscli'),
      image: testContext.images.awscli,
      command: ['/bin/sleep', '3600'],
    };
    await runPod({
      name: place.pod,
      namespace: place.namespace,
      tasks: { read: readReports },
      spec: { containers: [container] },
    });
  });

  const getObject = (key: string, options: string[] = []) => {
    const object = ['--bucket', 'acme-data', '--key', key];
    const args = [...options, 's3api', 'get-object', ...object, '/dev/null'];
    return execInPod(cluster, place, [...testContext.awscliCommand, ...args]);
  };

  it('reads an object in scope with the injected environment only', async () => {
    const { stdout } = await getObject('reports/q3.csv');
    expect(JSON.parse(stdout)).toHaveProperty('ContentLength');
  });

  it('gets 403 from the cloud for an object out of scope', async () => {
    // A denial of RGW has no message for awscli to print: the status is in its debug log.
    const refusal = await getObject('secrets/keys.txt', ['--debug']).catch(
      (error: unknown) => error,
    );
    expect(refusal).toBeInstanceOf(CommandError);
    // Not toMatch: a failure would print the whole log, including the session token.
    const isForbidden = /GET \/acme-data\/secrets\/keys.txt[^"]*" 403/;
    expect(isForbidden.test((refusal as CommandError).stderr)).toBe(true);
  });
});
