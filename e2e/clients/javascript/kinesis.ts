/**
 * Makes calls with the unmodified Kinesis client of the AWS SDK for JavaScript, which speaks HTTP/2 only.
 * Arguments: the entry file of the client. Standard input: the plan, as JSON. Prints what each call returned
 * or threw: one JSON line each.
 */
import { json } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

type Command = new (parameters: object) => object;
type Plan = {
  readonly config: object;
  readonly calls: readonly { readonly command: string; readonly parameters: object }[];
};
type Sdk = Readonly<Record<string, Command>> & {
  readonly KinesisClient: new (config: object) => {
    readonly config: { readonly requestHandler: { readonly metadata?: object } };
    readonly send: (command: object) => Promise<object>;
    readonly destroy: () => void;
  };
};

const sdk = (await import(pathToFileURL(process.argv[2] ?? '').href)) as Sdk;
const { config, calls } = (await json(process.stdin)) as Plan;
const client = new sdk.KinesisClient(config);

const print = (outcome: object): void => void process.stdout.write(`${JSON.stringify(outcome)}\n`);

/** JSON has no bytes: `Data` is base64. */
const decode = (parameters: { readonly Data?: string }): object =>
  parameters.Data === undefined
    ? parameters
    : { ...parameters, Data: Buffer.from(parameters.Data, 'base64') };

const call = async ({ command, parameters }: Plan['calls'][number]): Promise<object> => {
  const CommandClass = sdk[command];
  if (CommandClass === undefined) throw new Error(`expected a command of the client: ${command}`);
  try {
    return { result: await client.send(new CommandClass(decode(parameters))) };
  } catch (error) {
    const { name, message } = error as Error;
    return { error: { name, message } };
  }
};

print({ ...client.config.requestHandler.metadata });
// All at once: they share a connection.
for (const outcome of await Promise.all(calls.map(call))) print(outcome);
client.destroy();
