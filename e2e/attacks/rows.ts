/** Who is the last to say no. */
type Stop = 'admission' | 'authority' | 'cloud';

type Row = { readonly attack: string; readonly stoppedBy: Stop };

/** Lines of docs/threat-model.md that somebody with rights in a namespace can try, by short names. */
export const ROWS = {
  'shared-processes': { attack: 'one process namespace for all', stoppedBy: 'admission' },
  'sidecar-ids': { attack: "running with the sidecar's user or group", stoppedBy: 'admission' },
  'node-access': { attack: 'the node, or rights that lead to it', stoppedBy: 'admission' },
  ephemeral: { attack: 'a container that joins a running pod', stoppedBy: 'admission' },
  entered: { attack: 'a command in the sidecar, or a way to its ports', stoppedBy: 'admission' },
  'sidecar-changed': { attack: 'another image or less room for it', stoppedBy: 'admission' },
  'own-token': { attack: 'a token for our audience of one’s own', stoppedBy: 'admission' },
  pretended: { attack: 'our names brought along, a copy changed', stoppedBy: 'admission' },
  'declared-later': { attack: 'tasks that change once admitted', stoppedBy: 'admission' },
  'mounted-elsewhere': { attack: 'our volumes in other places', stoppedBy: 'admission' },
  'socket-replaced': { attack: 'a socket folder to write to or hide', stoppedBy: 'admission' },
  misled: { attack: 'names of the authority or the cloud led astray', stoppedBy: 'admission' },
  'other-keys': { attack: 'keys and roles beside the tasks', stoppedBy: 'admission' },
  minting: { attack: 'credentials that mint longer ones', stoppedBy: 'admission' },
  'wider-than-forbidden': { attack: 'a scope wider than a forbid', stoppedBy: 'admission' },
  'scope-injection': { attack: 'more than was meant, in a scope', stoppedBy: 'admission' },
  'hostile-names': { attack: 'names that mean more elsewhere', stoppedBy: 'admission' },
  'large-input': { attack: 'input too large or too deep', stoppedBy: 'admission' },
  stamped: { attack: 'what only its author may say, said of others', stoppedBy: 'admission' },
  unadmitted: { attack: 'a pod that admission never saw', stoppedBy: 'authority' },
  replayed: { attack: 'a token from elsewhere, or of a pod that ended', stoppedBy: 'authority' },
  'carried-off': { attack: 'credentials used elsewhere, or for more', stoppedBy: 'cloud' },
} as const satisfies Readonly<Record<string, Row>>;

export type RowId = keyof typeof ROWS;
export const ROW_IDS = Object.keys(ROWS) as readonly RowId[];

/** Lines that admission can stop have two attacks at least, all others one. */
export const leastAttacksOn = (row: RowId): number => (ROWS[row].stoppedBy === 'admission' ? 2 : 1);
