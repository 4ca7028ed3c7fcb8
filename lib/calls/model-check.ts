import { isMapping, type Mapping } from '../schema/mapping.ts';
import { parseStrictJson } from '../schema/strict-json.ts';
import { refuseCall, type CallResult } from './call-request.ts';

/** What a request to a model API says about its models and its answer. */
export type ModelRequest = {
  readonly model: string;
  /** Whether the answer is a stream that ends without numbers of tokens. */
  readonly lacksUsage: boolean;
};

/** Deep enough for the schemas of tools. */
const MAX_DEPTH = 64;

/** One name for all: `model`, and `models`, from which routers choose when the first one fails. */
const listModels = ({ model, models }: Mapping): readonly unknown[] => [
  model,
  ...(models === undefined
    ? []
    : Array.isArray(models)
      ? (models as readonly unknown[])
      : [models]),
];

/** Chat completions report usage in a stream only on request; other APIs always do. */
const lacksUsage = ({ stream, stream_options: options, messages, prompt }: Mapping, path: string) =>
  stream === true &&
  (Array.isArray(messages) || prompt !== undefined) &&
  path.endsWith('/completions') &&
  !(isMapping(options) && options['include_usage'] === true);

/**
 * Checks the body of a request to a model API.
 *
 * @param headers of the request, by lower-case name
 * @param models that the Upstream lists
 * @param path of the request
 */
export const checkModels = (
  { body, headers, path }: { body: Uint8Array; headers: ReadonlyMap<string, string>; path: string },
  models: readonly string[],
): CallResult<ModelRequest> => {
  const type = headers.get('content-type') ?? '';
  if (!/^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(type)) {
    return refuseCall(
      'model_outside',
      'expected application/json, because the model must be known',
    );
  }
  if (headers.has('content-encoding')) {
    return refuseCall('model_outside', 'expected a body without content encoding');
  }
  const parsed = parseStrictJson(body, { maxDepth: MAX_DEPTH, foldCaseDepth: 1 });
  if (!parsed.ok || !isMapping(parsed.value)) {
    const [fault] = parsed.ok ? [] : parsed.faults;
    return refuseCall(
      'request_malformed',
      `expected ${fault?.expected ?? 'an object'} in the body`,
    );
  }
  const outside = listModels(parsed.value).some(
    (model) => !models.some((known) => known === model),
  );
  return outside
    ? refuseCall('model_outside', `expected one of the models ${models.join(', ')}`)
    : {
        ok: true,
        value: {
          model: String(parsed.value['model']),
          lacksUsage: lacksUsage(parsed.value, path),
        },
      };
};
