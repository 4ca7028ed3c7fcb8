import fc from 'fast-check';

const ROLES = [
  ...['arn:aws:iam::111122223333:role/team/x', 'arn:aws:iam:::role/r', 'arn:minio:iam:::role/r'],
  ...['r', 'arn:aws:iam::1:role/r'],
];
const ACTIONS = [
  ...['s3:getobject', 's3:Get*', 's3:*', '*', 's3:PutObject', 'sqs:SendMessage', 's3:GteObject'],
  ...['s3:ListAllMyBuckets', 'sts:AssumeRole', 'iam:PassRole', 'nosuch:Thing', 'S3:x'],
];
const RESOURCES = [
  ...['arn:aws:s3:::acme-data', 'arn:aws:s3:::acme-data/{one}/*', 'arn:aws:s3:::a/{two}?'],
  ...['arn:aws:sqs:eu-west-1:111122223333:jobs', '*', 'arn:aws:s3:::*', 'arn:aws:s3:::a/{'],
  ...['arn:aws:sqs:*:111122223333:jobs', 'bucket/key', 'arn:aws:s3:::a/${x}'],
];
const PATTERNS = ['.*', '(a|b)*', '(a', '(?=a)', '\\w{1,9}', 'a{1000}', ''];
const LIFETIMES = ['10m', '1h', '59s', '60s', '2h', '5', '1d', '', '1.5m', '0m'];
const PURPOSES = ['', 'a\nb', 'x'.repeat(600), '\u202e'];
const CONTAINERS = [['prepare'], ['agent', 'helper'], ['absent'], [], ['agent', 'agent']];

/** The usual value eight times out of nine, so that many declarations are accepted. */
const often = <T>(usual: T, others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );

const statement = fc.record({
  actions: fc.uniqueArray(often('s3:GetObject', ACTIONS), { minLength: 1, maxLength: 2 }),
  resources: fc.uniqueArray(often('arn:aws:s3:::acme-data/{one}/*', RESOURCES), {
    minLength: 1,
    maxLength: 2,
  }),
});

const maxLength = often('20', ['64', '0', 'x']);
const rule = fc.record({ pattern: often('[a-z]+', PATTERNS), maxLength });

const members = fc.record(
  {
    provider: often('aws', ['gcp', '']),
    role: often('arn:aws:iam::111122223333:role/agent-reports', ROLES),
    allow: fc.array(statement, { minLength: 1, maxLength: 2 }),
    lifetime: often('5m', LIFETIMES),
    purpose: often('nightly', PURPOSES),
    delivery: often('vend', ['sign', '']),
    containers: often<readonly string[]>(['agent'], CONTAINERS),
    default: often('false', ['true', 'yes']),
    exclusive: often('false', ['true']),
  },
  { requiredKeys: ['role', 'allow', 'lifetime'] },
);

/** A declaration with a rule for each of its placeholders, and sometimes an unknown member. */
const declaration = fc
  .tuple(members, rule, often<object>({}, [{ unknown: 'x' }, { params: { three: '.*' } }]))
  .map(([value, params, more]) => {
    const places = ['one', 'two'].filter((name) => JSON.stringify(value).includes(`{${name}}`));
    const rules = Object.fromEntries(places.map((name) => [name, params]));
    return JSON.stringify({ ...value, ...(places.length > 0 && { params: rules }), ...more });
  });

const SPOILS = ['\n---\n', '&a ', '*a', '<<: {}', '\t', '}', '!!x '];

const spoiled = fc
  .tuple(declaration, fc.constantFrom(...SPOILS), fc.nat())
  .map(([json, text, at]) => {
    const place = at % json.length;
    return json.slice(0, place) + text + json.slice(place);
  });

/** Texts of annotations: most are declarations of a task, some are no strict YAML. */
export const declarations: fc.Arbitrary<string> = fc.oneof(
  { weight: 8, arbitrary: declaration },
  { weight: 1, arbitrary: spoiled },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) },
);
