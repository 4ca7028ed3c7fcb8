import { InputError } from '../input-error.ts';
import { readList, readMember, readText } from '../request-body.ts';
import {
  checkName,
  formatArn,
  isArn,
  readArnLike,
  requireText,
  type ResourceScope,
} from '../resource-names.ts';
import { each, share, type Recipe, type Recipes } from './recipe.ts';

/**
 * Lambda API Reference, `FunctionName`: a name, an ARN, or an ARN without its beginning, each with a
 * version or an alias after it.
 */
const FUNCTION =
  /^(?:arn:([a-z-]+):lambda:)?(?:([a-z]{2}(?:-[a-z]+)+-\d):)?(?:(\d{12}):)?(?:function:)?([\w-]{1,140})(?::(\$LATEST(?:\.PUBLISHED)?|[\w-]+))?$/;

const toFunction = (text: string, qualifier: string | undefined, scope: ResourceScope): string => {
  const [whole, partition = scope.partition, region = scope.region, account, name = '', own] =
    FUNCTION.exec(text) ?? [];
  const isHere = partition === scope.partition && region === scope.region;
  const isWhole = !isArn(text) || /:\d{12}:function:/.test(text);
  if (whole === undefined || !isHere || !isWhole) {
    throw new InputError('expected a function of the call’s region in FunctionName');
  }
  if (own !== undefined && qualifier !== undefined && own !== qualifier) {
    throw new InputError('expected one qualifier, found another one in FunctionName');
  }
  const version = own ?? qualifier;
  if (version !== undefined && !/^(?:\$LATEST(?:\.PUBLISHED)?|[\w-]+)$/.test(version)) {
    throw new InputError('expected a version or an alias in Qualifier');
  }
  const suffix = version === undefined ? '' : `:${version}`;
  return formatArn(
    { ...scope, account: account ?? scope.account },
    'lambda',
    `function:${name}${suffix}`,
  );
};

const functionIn = (place: string) =>
  each(({ readText: read }, scope) => [
    toFunction(requireText(read(place), 'FunctionName'), read('query.Qualifier'), scope),
  ]);

const FUNCTION_NAME = functionIn('path.FunctionName');

const eventSource = each(({ readText: read }, scope) => {
  const id = checkName(requireText(read('path.UUID'), 'UUID'), 'UUID', /^[0-9a-f-]{36}$/);
  return [formatArn(scope, 'lambda', `event-source-mapping:${id}`)];
});

export const LAMBDA: Recipes = {
  ...share(FUNCTION_NAME, 'Invoke', 'InvokeAsync', 'InvokeWithResponseStream'),
  ...share(FUNCTION_NAME, 'GetFunction', 'GetFunctionConfiguration', 'GetFunctionConcurrency'),
  ...share(FUNCTION_NAME, 'UpdateFunctionCode', 'UpdateFunctionConfiguration', 'DeleteFunction'),
  ...share(FUNCTION_NAME, 'PutFunctionConcurrency', 'DeleteFunctionConcurrency'),
  ...share(FUNCTION_NAME, 'PublishVersion', 'ListVersionsByFunction', 'ListAliases'),
  ...share(FUNCTION_NAME, 'AddPermission', 'RemovePermission', 'GetPolicy'),
  ...share(FUNCTION_NAME, 'CreateFunctionUrlConfig', 'DeleteFunctionUrlConfig'),
  ...share(FUNCTION_NAME, 'GetFunctionUrlConfig', 'UpdateFunctionUrlConfig'),
  ...share(FUNCTION_NAME, 'PutFunctionEventInvokeConfig', 'GetFunctionEventInvokeConfig'),
  ...share(FUNCTION_NAME, 'UpdateFunctionEventInvokeConfig', 'DeleteFunctionEventInvokeConfig'),
  ...share(eventSource, 'GetEventSourceMapping', 'UpdateEventSourceMapping'),
  ...share(eventSource, 'DeleteEventSourceMapping'),
  CreateFunction: functionIn('body.FunctionName'),
};

const MODEL_ID = /^[a-z0-9-]{1,63}\.[\w.-]{1,128}(?::[\w.-]+)*$/;
/** IDs of inference profiles begin with a geography. Later ones are not resolved. */
const PROFILE_ID = /^(?:us|us-gov|eu|apac|au|ca|jp|global)\.[a-z0-9-]+\.[\w.:-]+$/;
/** Providers have no dot in the names of their models after the first, but for a version. */
const PLAIN_ID = /^[a-z0-9-]+\.[a-zA-Z][\w-]*(?:\.\d+[\w-]*)*(?::[\w-]+)*$/;
const MODEL =
  /^(?:foundation-model|inference-profile|application-inference-profile|provisioned-model|custom-model|custom-model-deployment|imported-model|prompt|prompt-router|default-prompt-router)\/[\w.:/-]+$/;

const toModel = (text: string, scope: ResourceScope): string | undefined => {
  if (isArn(text)) {
    const expected = { scope, service: 'bedrock', resource: MODEL, isPublic: true };
    return readArnLike(text, 'modelId', expected);
  }
  if (PROFILE_ID.test(text)) return formatArn(scope, 'bedrock', `inference-profile/${text}`);
  if (!MODEL_ID.test(text)) throw new InputError('expected a model in modelId');
  return PLAIN_ID.test(text)
    ? formatArn({ ...scope, account: '' }, 'bedrock', `foundation-model/${text}`)
    : undefined;
};

const toGuardrail = (text: string, scope: ResourceScope): string =>
  isArn(text)
    ? readArnLike(text, 'the guardrail', {
        scope,
        service: 'bedrock',
        resource: /^guardrail\/[a-z0-9]+$/,
      })
    : formatArn(scope, 'bedrock', `guardrail/${checkName(text, 'the guardrail', /^[a-z0-9]+$/)}`);

const withGuardrail = (
  read: (input: Parameters<Recipe>[0]['input']) => string | undefined,
): Recipe => {
  const model = each(({ readText: at }, scope) => [
    toModel(requireText(at('path.modelId'), 'modelId'), scope),
  ]);
  return (call) => {
    const guardrail = read(call.input);
    return [
      ...model(call),
      ...(guardrail === undefined
        ? []
        : [{ action: 'bedrock:ApplyGuardrail', resource: toGuardrail(guardrail, call.scope) }]),
    ];
  };
};

/** The body of InvokeModel is the model's own. */
const invokeModel = withGuardrail(({ readText: read }) =>
  read('header.x-amzn-bedrock-guardrailidentifier'),
);

const converse = withGuardrail(({ readBody }) => {
  const config = readMember(readBody(), 'guardrailConfig');
  return config === undefined ? undefined : readText(config, 'guardrailIdentifier');
});

const applyGuardrail = each(({ readText: read }, scope) => [
  toGuardrail(requireText(read('path.guardrailIdentifier'), 'the guardrail'), scope),
]);

/** Amazon Bedrock; not compared with AWS itself (VF-7). */
export const BEDROCK_RUNTIME: Recipes = {
  ...share(invokeModel, 'InvokeModel', 'InvokeModelWithResponseStream'),
  ...share(converse, 'Converse', 'ConverseStream'),
  ApplyGuardrail: applyGuardrail,
};

const MACHINE_NAME = /^[^\s<>{}[\]?*"#%\\^|~`$&,;:/\p{C}]{1,80}$/u;

const stateArn = (place: string, kind: RegExp) =>
  each(({ readText: read }, scope) => {
    const text = requireText(read(`body.${place}`), place);
    return [readArnLike(text, place, { scope, service: 'states', resource: kind })];
  });

const named = (kind: string) =>
  each(({ readText: read }, scope) => {
    const name = checkName(requireText(read('body.name'), 'name'), 'name', MACHINE_NAME);
    return [formatArn(scope, 'states', `${kind}:${name}`)];
  });

/** A version or an alias follows the name. */
const MACHINE = /^stateMachine:[^:/]+(?::[^:/]+)?$/;
const machine = stateArn('stateMachineArn', MACHINE);
const execution = stateArn('executionArn', /^e(?:xecution|xpress):[^/]+$/);
const activity = stateArn('activityArn', /^activity:[^:/]+$/);

export const STATES: Recipes = {
  ...share(machine, 'StartExecution', 'StartSyncExecution', 'DescribeStateMachine'),
  ...share(machine, 'UpdateStateMachine', 'DeleteStateMachine'),
  ...share(
    machine,
    'ListStateMachineAliases',
    'ListStateMachineVersions',
    'PublishStateMachineVersion',
  ),
  ...share(execution, 'DescribeExecution', 'GetExecutionHistory', 'StopExecution'),
  ...share(execution, 'RedriveExecution', 'DescribeStateMachineForExecution'),
  ...share(activity, 'DescribeActivity', 'DeleteActivity', 'GetActivityTask'),
  CreateStateMachine: named('stateMachine'),
  CreateActivity: named('activity'),
};

const GROUP_NAME = /^[\w./#-]{1,512}$/;
const STREAM_NAME = /^[^:*\p{C}]{1,512}$/u;

/** Names of log groups often begin with a slash, so that only their characters are checked. */
const checkGroup = (text: string, place: string): string => {
  if (!GROUP_NAME.test(text)) throw new InputError(`expected a log group in ${place}`);
  return text;
};

/** IAM compares a group as the group's stream without name. */
const toGroup = (text: string, place: string, scope: ResourceScope): string => {
  if (!isArn(text))
    return `${formatArn(scope, 'logs', 'log-group')}:${checkGroup(text, place)}:log-stream:`;
  const arn = readArnLike(text, place, {
    scope,
    service: 'logs',
    resource: /^log-group:[\w./#-]{1,512}(?::\*)?$/,
  });
  return `${arn.replace(/:\*$/, '')}:log-stream:`;
};

const readGroup: Parameters<typeof each>[0] = ({ readText: read }, scope) => {
  const places = ['logGroupName', 'logGroupIdentifier'];
  const found = places.flatMap((place) => {
    const text = read(`body.${place}`);
    return text === undefined ? [] : [toGroup(text, place, scope)];
  });
  return new Set(found).size > 1 ? refuseTwoGroups() : [found[0]];
};

const refuseTwoGroups = (): never => {
  throw new InputError('expected one log group, found a name and an identifier of two');
};

const group = each(readGroup);

const stream = each((input, scope) => {
  const [own] = readGroup(input, scope);
  const name = input.readText('body.logStreamName');
  if (name !== undefined && !STREAM_NAME.test(name)) {
    throw new InputError('expected a log stream in logStreamName');
  }
  return [own === undefined || name === undefined ? undefined : `${own}${name}`];
});

/** A query names one group or several. */
const queried = each((input, scope) => {
  const names = ['logGroupNames', 'logGroupIdentifiers'].flatMap((place) =>
    readList(input.readBody(), place).map((text) => {
      if (typeof text !== 'string') throw new InputError(`expected texts in ${place}`);
      return toGroup(text, place, scope);
    }),
  );
  const one = readGroup(input, scope).filter((text) => text !== undefined);
  const all = [...one, ...names];
  return all.length === 0 ? [undefined] : all;
});

/** Without a prefix, a group without name. */
const describedGroups = each((_, scope) => [
  `${formatArn(scope, 'logs', 'log-group')}::log-stream:`,
]);

export const LOGS: Recipes = {
  DescribeLogGroups: describedGroups,
  StartQuery: queried,
  ...share(group, 'CreateLogGroup', 'DeleteLogGroup', 'DescribeLogStreams', 'FilterLogEvents'),
  ...share(group, 'PutRetentionPolicy', 'DeleteRetentionPolicy', 'GetLogGroupFields'),
  ...share(group, 'PutMetricFilter', 'DeleteMetricFilter'),
  ...share(
    group,
    'PutSubscriptionFilter',
    'DeleteSubscriptionFilter',
    'DescribeSubscriptionFilters',
  ),
  ...share(stream, 'CreateLogStream', 'DeleteLogStream', 'PutLogEvents', 'GetLogEvents'),
};
