import { join } from 'node:path';
import { runCommand } from '../../cluster/command.ts';

/** A request with all of its headers. */
export type PlainRequest = {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
};

/** What a client got, and whether it asked for HTTP/2 by `Upgrade: h2c`. */
export type UpgradeAnswer = {
  readonly askedFor: string;
  readonly version: string;
  readonly status: string;
  readonly body: string;
};

/** Sends one request, and reports the version of HTTP in which it was answered. */
export type SendUpgrade = (request: PlainRequest) => Promise<UpgradeAnswer>;

const UPGRADE = /^> Upgrade: h2c\r?$/im;

/** Sends with curl, which is asked for HTTP/2 by `option`. */
export const createCurlSender =
  (option: '--http2' | '--http2-prior-knowledge'): SendUpgrade =>
  async ({ method, url, headers, body }) => {
    const lines = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
    const format = '\n%{http_version} %{response_code}';
    const args = ['-sS', '-v', option, '-X', method, ...lines, '-w', format];
    const data = body === undefined ? [] : ['--data-binary', body];
    const { stdout, stderr } = await runCommand('curl', [...args, ...data, url]);
    const end = stdout.lastIndexOf('\n');
    const [version = '', status = ''] = stdout.slice(end + 1).split(' ');
    const askedFor = UPGRADE.test(stderr) ? 'Upgrade: h2c' : 'nothing';
    return { askedFor, version, status, body: stdout.slice(0, end) };
  };

/** The JDK names versions of HTTP in its own way. */
const JDK_VERSIONS: Readonly<Record<string, string>> = { HTTP_1_1: '1.1', HTTP_2: '2' };

/** The JDK sets it itself, to the same value, and accepts no other. */
const SET_BY_JDK = 'host';

/** Sends with the HttpClient of the JDK, which asks for HTTP/2 by default. */
export const sendWithJdk: SendUpgrade = async ({ method, url, headers, body = '' }) => {
  const program = join(import.meta.dirname, 'Upgrade.java');
  const pairs = Object.entries(headers).filter(([name]) => name !== SET_BY_JDK);
  const args = ['-Djdk.httpclient.HttpClient.log=headers', program, method, url, body];
  const { stdout, stderr } = await runCommand('java', [...args, ...pairs.flat()]);
  const [, version = '', status = '', ...lines] = stdout.split('\n');
  const askedFor = /^\s*Upgrade: h2c\r?$/im.test(stderr) ? 'Upgrade: h2c' : 'nothing';
  return { askedFor, version: JDK_VERSIONS[version] ?? version, status, body: lines.join('\n') };
};
