import { Option, type Command } from 'commander';

import {
  toAwsCommands,
  toTerraform,
  trustPolicy,
  type TrustRequest,
} from '../../lib/grant/trust-policy.ts';
import {
  keyValue,
  newCommand,
  several,
  withCluster,
  type Example,
  type Shell,
} from './command-line.ts';
import { render } from './answer.ts';
import type { ClusterOptions } from './cluster.ts';
import { publishedKeys, readJwks } from './jwks.ts';
import { authorityOf, platformIn, platformOf } from './platform.ts';
import { roleArnOf } from './role-arn.ts';
import { EXIT, wrongUsage } from './tool-error.ts';

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
    "the trust policy alone, for one of the authority's own roles",
  ],
];

/** `trust-policy` */
export const trustPolicyCommand = (shell: Shell): Command =>
  withCluster(
    newCommand(
      'trust-policy',
      'print the IAM provider, the role and the trust policy by which a role trusts grants',
      EXAMPLES,
    )
      .requiredOption('--role <arn|name>', 'the role')
      .option('--account <id>', 'its account, where --role is a name')
      .addOption(new Option('--format <format>', 'what to print').choices(FORMATS).default('aws'))
      .addOption(new Option('-o, --output <format>', 'the same as --format json').choices(['json']))
      .option('--namespace <namespace>', 'trust tasks of this namespace; several times', several)
      .option('--service-account <name>', 'trust tasks of this service account alone')
      .option('--task <name>', 'trust this task alone')
      .option('--tag <name=value>', 'ask for this session tag; several times', keyValue)
      .option('--authority', "one of the authority's own roles: revoker or publisher")
      .option('--platform <file>', "the platform's settings, instead of asking the cluster"),
  ).action((options: Options) => printTrust(options, shell));

const printTrust = async (options: Options, { edges, finish }: Shell): Promise<void> => {
  const trusted = trustedOf(options);
  const cluster = options.platform === undefined ? edges.openCluster(options) : undefined;
  const platform =
    cluster === undefined
      ? await platformIn(edges, options.platform ?? '')
      : await platformOf(cluster);
  const { dialect } = platform.cloud;
  const request: TrustRequest = {
    issuer: authorityOf(platform),
    ...{ dialect, trusted },
    role: roleArnOf(options, platform),
    // AWS asks for none; Ceph RGW knows an issuer by the certificates of its keys.
    thumbprints:
      dialect === 's3' && cluster !== undefined
        ? publishedKeys(await readJwks(cluster)).map(({ thumbprint }) => thumbprint)
        : [],
  };
  edges.out(render({ isWell: true, ...printed(request) }, isJson(options) ? 'json' : 'text'));
  finish(EXIT.fine);

  function printed(given: TrustRequest) {
    const text = options.format === 'terraform' ? toTerraform(given) : toAwsCommands(given);
    return { lines: text.trimEnd().split('\n'), json: trustPolicy(given) };
  }
};

const isJson = ({ format, output }: Options): boolean => format === 'json' || output === 'json';

const trustedOf = (options: Options): TrustRequest['trusted'] => {
  const { authority, namespace, serviceAccount, task, tag } = options;
  const isNarrowed = [namespace, serviceAccount, task, tag].some((each) => each !== undefined);
  if (authority && isNarrowed) {
    const expected = 'alone: the authority signs these grants for itself, not for a task';
    throw wrongUsage([{ path: '--authority', expected, got: 'other conditions beside it' }]);
  }
  if (authority) return 'authority';
  return {
    namespaces: namespace ?? [],
    tags: tag ?? {},
    ...(serviceAccount !== undefined && { serviceAccount }),
    ...(task !== undefined && { task }),
  };
};
