import { refuseCall, type CallResult } from './call-request.ts';

/** One change of a ref that a push asks for. */
export type RefCommand = {
  readonly ref: string;
  readonly kind: 'create' | 'update' | 'delete';
};

/** The object IDs of a change, in hex. */
export type PushCommand = RefCommand & { readonly before: string; readonly after: string };

/** What a push begins with. */
export type PushHead = {
  /** None: the probe that Git sends before a large push. */
  readonly commands: readonly PushCommand[];
  /** What the client asks of the server, such as `report-status`. */
  readonly capabilities: ReadonlySet<string>;
};

/** Of all commands of a push; the pack follows them. */
export const MAX_COMMAND_BYTES = 64 * 1024;

const LENGTH = /^[0-9a-f]{4}$/i;
const LENGTH_BYTES = 4;
const COMMAND = /^([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) (refs\/[^]+)$/;
const SHALLOW = /^shallow (?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** git-check-ref-format: components without a leading dot or `.lock` at the end, and no special characters. */
const isRefName = (ref: string): boolean =>
  !/[\u0000-\u0020\u007f~^:?*[\\\ufffd]|\.\.|@\{|\/\/|\/$|\.$/.test(ref) &&
  ref.split('/').every((part) => !part.startsWith('.') && !part.endsWith('.lock'));

const isZero = (id: string): boolean => /^0+$/.test(id);

const malformed = (expected: string): CallResult<never> =>
  refuseCall('request_malformed', `push: expected ${expected}`);

const parseCommand = (line: string): CallResult<PushCommand> => {
  const [, before = '', after = '', ref = ''] = COMMAND.exec(line) ?? [];
  if (before === '' || before.length !== after.length || !isRefName(ref)) {
    return malformed('commands of two object IDs and the name of a ref');
  }
  if (isZero(before) && isZero(after)) return malformed('a new or an old object ID');
  const kind = isZero(after) ? 'delete' : isZero(before) ? 'create' : 'update';
  return { ok: true, value: { ref, kind, before, after } };
};

/** Options follow the commands; some servers act on them beyond the refs of the push. */
const REFUSED_CAPABILITY = 'push-options';

/** Git takes a capability with any value, too. */
const isRefusedCapability = (capability: string): boolean =>
  capability.split('=', 1)[0] === REFUSED_CAPABILITY;

/** Git ends a capability at any white space, and all of them at a second NUL, which servers may not do. */
const CAPABILITY_END = /[\s\0]/;

type ParsedLine = {
  /** Absent in a line that announces a shallow clone. */
  readonly command?: PushCommand;
  readonly capabilities?: readonly string[];
};

const parseLine = (bytes: Buffer, isFirst: boolean): CallResult<ParsedLine> => {
  const text = bytes.toString('utf8').replace(/\n$/, '');
  const nul = text.indexOf('\0');
  if (nul >= 0 && !isFirst) return malformed('capabilities in the first command only');
  const line = nul < 0 ? text : text.slice(0, nul);
  if (line.startsWith('push-cert')) return malformed('no push certificate');
  if (SHALLOW.test(line) && nul < 0) return { ok: true, value: {} };
  const capabilities = nul < 0 ? [] : text.slice(nul + 1).split(CAPABILITY_END);
  if (capabilities.some(isRefusedCapability)) return malformed('no push options');
  const parsed = parseCommand(line);
  return parsed.ok ? { ok: true, value: { command: parsed.value, capabilities } } : parsed;
};

/** The head, once all of it is there; undefined while bytes are missing. */
type HeadSoFar = CallResult<PushHead | undefined>;

/**
 * Creates a reader of what a push begins with (gitprotocol-pack, "Reference Update Request"): pkt-lines up
 * to a flush.
 *
 * @returns receives the body in pieces; after commands or a refusal it must not be called again
 */
export const createCommandReader = (): ((piece: Uint8Array) => HeadSoFar) => {
  const buffer = Buffer.alloc(MAX_COMMAND_BYTES);
  const commands: PushCommand[] = [];
  const capabilities = new Set<string>();
  let length = 0;
  let at = 0;
  /** @returns the next whole line; `flush`; undefined while bytes are missing */
  const readLine = (): CallResult<Buffer | 'flush' | undefined> => {
    if (length - at < LENGTH_BYTES) return { ok: true, value: undefined };
    const digits = buffer.toString('latin1', at, at + LENGTH_BYTES);
    const size = LENGTH.test(digits) ? parseInt(digits, 16) : 1;
    if (size === 0) return { ok: true, value: 'flush' };
    if (size <= LENGTH_BYTES) return malformed('pkt-lines');
    if (at + size > MAX_COMMAND_BYTES)
      return malformed(`commands of at most ${MAX_COMMAND_BYTES} bytes`);
    if (at + size > length) return { ok: true, value: undefined };
    const line = buffer.subarray(at + LENGTH_BYTES, at + size);
    at += size;
    return { ok: true, value: line };
  };
  return (piece) => {
    const taken = piece.subarray(0, MAX_COMMAND_BYTES - length);
    buffer.set(taken, length);
    length += taken.length;
    for (;;) {
      const next = readLine();
      if (!next.ok) return next;
      if (next.value === 'flush') return { ok: true, value: { commands, capabilities } };
      if (next.value === undefined) {
        return length === MAX_COMMAND_BYTES
          ? malformed(`commands of at most ${MAX_COMMAND_BYTES} bytes`)
          : { ok: true, value: undefined };
      }
      const parsed = parseLine(next.value, commands.length === 0);
      if (!parsed.ok) return parsed;
      const { command, capabilities: added = [] } = parsed.value;
      if (command !== undefined) commands.push(command);
      for (const capability of added) capabilities.add(capability);
    }
  };
};
