import { Option, type Command } from 'commander';

import { PRIVATE_HOST } from '../../lib/contract/authority-api.ts';
import type { AuthoritySettings } from '../../lib/contract/platform.ts';
import {
  toAwsCommands,
  toTerraform,
  buildTrustPolicy,
  toMinioSettings,
  type TrustRequest,
} from '../../lib/grant/trust-policy.ts';
import {
  parseKeyValue,
  newCommand,
  collectValues,
  withCluster,
  type Example,
  type Shell,
} from './command-line.ts';
import { renderResult } from './command-result.ts';
import type { ClusterOptions } from './cluster.ts';
import { parsePublishedKeys, readJwks } from './jwks.ts';
import { requireAuthority, readPlatformFile, readClusterPlatform } from './platform-settings.ts';
import { parseRoleArn } from '../../lib/schema/arn.ts';
import { resolveRoleArn } from './role-arn.ts';
import { EXIT, createProblemError, createUsageError } from './tool-error.ts';

const FORMATS = ['aws', 'terraform', 'json'] as const;

type Options = ClusterOptions & {
  readonly role: string;
  readonly account?: string;
  readonly format: (typeof FORMATS)[number];
  readonly output?: 'json';
  readonly namespace?: readonly string[];
  readonly serviceAccount?: string;
  readonly task?: string;
  readonly tag?: Readonly<Record<string, string>>;
  readonly authority?: true;
  readonly platform?: string;
};

const EXAMPLES: readonly Example[] = [
  [
    'kubectl valetkey trust-policy --role arn:aws:iam::111122223333:role/agent-reports --namespace research',
    'aws commands for a role that tasks of one namespace may use',
  ],
  [
    'kubectl valetkey trust-policy --role agent-reports --account 111122223333 --task summarize --format terraform',
    'Terraform, for one task of any namespace',
  ],
  [
    'kubectl valetkey trust-policy --role valetkey-revoker --account 111122223333 --authority --format json',
    "Only the trust policy, for one of the authority's own roles",
  ],
];

/** `trust-policy` */
export const createTrustPolicyCommand = (shell: Shell): Command =>
  withCluster(
    newCommand(
      'trust-policy',
      'Print the IAM provider, role and trust policy that make a role trust grants',
      EXAMPLES,
    )
      .requiredOption('--role <arn|name>', 'Role to configure')
      .option('--account <id>', 'Account of the role, if --role is a name')
      .addOption(new Option('--format <format>', 'Output format').choices(FORMATS).default('aws'))
      .addOption(new Option('-o, --output <format>', 'Same as --format json').choices(['json']))
      .option(
        '-n, --namespace <namespace>',
        'Trust tasks of this namespace; repeatable',
        collectValues,
      )
      .option('--service-account <name>', 'Trust only tasks of this service account')
      .option('--task <name>', 'Trust only this task')
      .option('--tag <name=value>', 'Require this session tag; repeatable', parseKeyValue)
      .option('--authority', 'Trust the authority itself, for its own roles: revoker or publisher')
      .option('--platform <file>', 'Platform settings (default: read from the cluster)'),
    { short: false },
  ).action((options: Options) => printTrustPolicy(options, shell));

const printTrustPolicy = async (options: Options, { io, setExitCode }: Shell): Promise<void> => {
  const trusted = toTrustedWorkloads(options);
  const cluster = options.platform === undefined ? io.createClusterClient(options) : undefined;
  const platform =
    cluster === undefined
      ? await readPlatformFile(io, options.platform ?? '')
      : await readClusterPlatform(cluster);
  const { dialect } = platform.cloud;
  const issuer = requireAuthority(platform);
  if (dialect === 'aws') checkReachable(issuer);
  const request: TrustRequest = {
    issuer,
    dialect,
    trusted,
    role: resolveRoleArn(options, platform),
    // AWS requires no thumbprints; Ceph RGW identifies an issuer by the certificates of its keys.
    thumbprints:
      dialect === 's3' && cluster !== undefined
        ? parsePublishedKeys(await readJwks(cluster)).map(({ thumbprint }) => thumbprint)
        : [],
  };
  if (parseRoleArn(request.role)?.partition === 'minio') {
    checkMinioOptions(options);
    io.out(toMinioSettings(request));
    setExitCode(EXIT.ok);
    return;
  }
  io.out(
    renderResult({ isHealthy: true, ...renderRequest(request) }, isJson(options) ? 'json' : 'text'),
  );
  setExitCode(EXIT.ok);

  function renderRequest(given: TrustRequest) {
    const text = options.format === 'terraform' ? toTerraform(given) : toAwsCommands(given);
    return { lines: text.trimEnd().split('\n'), json: buildTrustPolicy(given) };
  }
};

/** @throws ToolError for a condition or a format that MinIO does not have */
const checkMinioOptions = (options: Options): void => {
  const { namespace, serviceAccount, task, tag, authority } = options;
  const conditions = { namespace, 'service-account': serviceAccount, task, tag, authority };
  const expected = 'no condition, because MinIO has no trust policies: a role accepts every grant';
  const given = Object.entries(conditions).filter(([, value]) => value !== undefined);
  const format = options.output ?? options.format;
  const unsupported =
    format === 'aws'
      ? []
      : [
          {
            path: '--format',
            expected: 'no format, because MinIO has no trust policies',
            got: format,
          },
        ];
  const faults = [
    ...given.map(([name]) => ({ path: `--${name}`, expected, got: 'a condition' })),
    ...unsupported,
  ];
  if (faults.length > 0) throw createUsageError(faults);
};

/** @throws ToolError: a provider for this issuer would accept no grant */
const checkReachable = ({ issuer }: AuthoritySettings): void => {
  if (!new RegExp(PRIVATE_HOST).test(new URL(issuer).hostname)) return;
  const expected = 'an https URL that AWS reaches from the internet (docs/issuer.md)';
  throw createProblemError([{ path: 'authority.issuer', expected, got: issuer }]);
};

const isJson = ({ format, output }: Options): boolean => format === 'json' || output === 'json';

const toTrustedWorkloads = (options: Options): TrustRequest['trusted'] => {
  const { authority, namespace, serviceAccount, task, tag } = options;
  const isNarrowed = [namespace, serviceAccount, task, tag].some((each) => each !== undefined);
  if (authority && isNarrowed) {
    const expected =
      'no other condition, because the authority signs these grants for itself, not for a task';
    throw createUsageError([{ path: '--authority', expected, got: 'other conditions' }]);
  }
  if (authority) return 'authority';
  return {
    namespaces: namespace ?? [],
    tags: tag ?? {},
    ...(serviceAccount !== undefined && { serviceAccount }),
    ...(task !== undefined && { task }),
  };
};
