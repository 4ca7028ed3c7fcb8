import type { HttpClient } from '../../contract/task.ts';

/** A service other than a cloud, and how its keys are recognized. */
export type ForeignService = {
  /** As messages and the documentation name it. */
  readonly title: string;
  /** Of the task that replaces its keys. */
  readonly provider: 'http' | 'postgres';
  /** The preset of a task that replaces its keys: beside it, they are refused under every setting. */
  readonly client?: HttpClient;
  /** Variables that its clients read a key from. */
  readonly variables: readonly string[];
  /** The start of its keys, as its documentation states it, and enough of what follows that prose does not match. */
  readonly form?: RegExp;
  /** Starts of keys, for the documentation. */
  readonly starts?: readonly string[];
  /** Words in the names of Secrets that hold its keys. */
  readonly words: readonly string[];
  /** Official documentation of the variables and the form. */
  readonly sources: readonly string[];
};

/** Before a key: nothing that could be a part of it. */
const START = String.raw`(?<![A-Za-z0-9_-])`;
const REST = '[A-Za-z0-9_-]';

const startsWith = (starts: readonly string[], minimum: number) => ({
  starts,
  form: new RegExp(
    `${START}(${starts.map((start) => start.replaceAll('.', String.raw`\.`)).join('|')})${REST}{${minimum},}`,
  ),
});

export const FOREIGN_SERVICES: readonly ForeignService[] = [
  {
    title: 'Anthropic',
    provider: 'http',
    client: 'anthropic',
    variables: ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN'],
    ...startsWith(['sk-ant-'], 16),
    words: ['anthropic'],
    sources: ['https://docs.anthropic.com/en/api/client-sdks'],
  },
  {
    title: 'OpenAI',
    provider: 'http',
    client: 'openai',
    variables: ['OPENAI_API_KEY', 'OPENAI_ADMIN_KEY'],
    ...startsWith(['sk-proj-', 'sk-admin-', 'sk-svcacct-'], 16),
    words: ['openai'],
    sources: ['https://github.com/openai/openai-python'],
  },
  {
    title: 'GitHub',
    provider: 'http',
    client: 'git',
    variables: ['GITHUB_TOKEN', 'GH_TOKEN', 'GH_ENTERPRISE_TOKEN', 'GITHUB_ENTERPRISE_TOKEN'],
    ...startsWith(['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_', 'github_pat_'], 16),
    words: ['github'],
    sources: [
      'https://cli.github.com/manual/gh_help_environment',
      'https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github',
    ],
  },
  {
    title: 'GitLab',
    provider: 'http',
    client: 'git',
    variables: ['GITLAB_TOKEN', 'GITLAB_ACCESS_TOKEN'],
    ...startsWith(['glpat-', 'gldt-'], 16),
    words: ['gitlab'],
    sources: ['https://docs.gitlab.com/cli/', 'https://docs.gitlab.com/security/tokens/'],
  },
  {
    title: 'Vault',
    provider: 'http',
    client: 'vault',
    variables: ['VAULT_TOKEN'],
    ...startsWith(['hvs.', 'hvb.', 'hvr.'], 16),
    words: ['vault'],
    sources: [
      'https://developer.hashicorp.com/vault/docs/commands',
      'https://developer.hashicorp.com/vault/docs/concepts/tokens',
    ],
  },
  {
    title: 'Slack',
    provider: 'http',
    variables: ['SLACK_BOT_TOKEN', 'SLACK_APP_TOKEN'],
    ...startsWith(['xoxb-', 'xoxp-', 'xapp-'], 16),
    words: ['slack'],
    sources: [
      'https://docs.slack.dev/tools/bolt-js/getting-started',
      'https://docs.slack.dev/authentication/tokens',
    ],
  },
  {
    title: 'Hugging Face',
    provider: 'http',
    variables: ['HF_TOKEN'],
    ...startsWith(['hf_'], 30),
    words: ['huggingface', 'hf'],
    sources: [
      'https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables',
      'https://huggingface.co/docs/hub/security-tokens',
    ],
  },
  {
    title: 'Mistral AI',
    provider: 'http',
    variables: ['MISTRAL_API_KEY'],
    words: ['mistral'],
    sources: ['https://docs.mistral.ai/getting-started/clients'],
  },
  {
    title: 'Gemini API',
    provider: 'http',
    variables: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
    words: ['gemini'],
    sources: ['https://ai.google.dev/gemini-api/docs/api-key'],
  },
  {
    title: 'PostgreSQL',
    provider: 'postgres',
    variables: ['PGPASSWORD'],
    // At loopback is the gateway. `postgresql+asyncpg` is a dialect of SQLAlchemy.
    form: /\bpostgres(ql)?(\+[a-z0-9]+)?:\/\/([^\s:/@]*:[^\s/@]+@(?!127\.0\.0\.1|localhost)|(?!127\.0\.0\.1|localhost)\S*[?&]password=[^\s&])/i,
    starts: ['postgres://user:password@'],
    words: ['postgres', 'postgresql'],
    sources: [
      'https://www.postgresql.org/docs/current/libpq-envars.html',
      'https://www.postgresql.org/docs/current/libpq-connect.html',
    ],
  },
];

/** Holds a password only in a URL, or if its value is that of a Secret. */
export const DATABASE_URL = 'DATABASE_URL';
