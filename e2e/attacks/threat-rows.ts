/** The last component that can refuse the attack. */
type StoppedBy = 'admission' | 'authority' | 'cloud';

type ThreatRow = {
  /** Text that occurs only in the first cell of this row. */
  readonly attack: string;
  readonly stoppedBy: StoppedBy;
};

/** Rows of docs/threat-model.md that a user with rights in a namespace can try, by id. */
export const THREAT_ROWS = {
  'shared-processes': { attack: "Shared or the node's process namespace", stoppedBy: 'admission' },
  'sidecar-ids': { attack: "Running with the sidecar's user or group", stoppedBy: 'admission' },
  'node-access': { attack: 'Privileged containers, hostPath', stoppedBy: 'admission' },
  ephemeral: { attack: 'An ephemeral container aimed at the sidecar', stoppedBy: 'admission' },
  entered: { attack: 'exec, attach', stoppedBy: 'admission' },
  'sidecar-changed': { attack: 'Another image for the sidecar', stoppedBy: 'admission' },
  'own-token': { attack: 'A token of our audience', stoppedBy: 'admission' },
  pretended: { attack: 'status brought along', stoppedBy: 'admission' },
  'declared-later': { attack: 'Tasks changed later', stoppedBy: 'admission' },
  'mounted-elsewhere': { attack: 'Our volumes mounted elsewhere', stoppedBy: 'admission' },
  'socket-replaced': { attack: 'The socket replaced', stoppedBy: 'admission' },
  misled: { attack: 'Names of the authority or the cloud', stoppedBy: 'admission' },
  'other-keys': { attack: 'Static cloud keys', stoppedBy: 'admission' },
  minting: { attack: 'Credentials that mint longer ones', stoppedBy: 'admission' },
  escalation: { attack: 'Changes of permissions that AWS labels', stoppedBy: 'admission' },
  'wider-than-forbidden': { attack: 'A scope that is wider', stoppedBy: 'admission' },
  'free-text': { attack: 'Free text of the agent', stoppedBy: 'admission' },
  'scope-injection': { attack: 'Scope injection', stoppedBy: 'admission' },
  'hostile-names': { attack: 'bidirectional text, CRLF', stoppedBy: 'admission' },
  'large-input': { attack: 'Large, deep or ambiguous input', stoppedBy: 'admission' },
  stamped: { attack: "A Revocation in another's name", stoppedBy: 'admission' },
  unadmitted: { attack: 'Not asking admission', stoppedBy: 'authority' },
  replayed: { attack: 'A token used from another pod', stoppedBy: 'authority' },
  'carried-off': { attack: 'Taking the credentials out of the pod', stoppedBy: 'cloud' },
} as const satisfies Readonly<Record<string, ThreatRow>>;

export type ThreatRowId = keyof typeof THREAT_ROWS;
export const THREAT_ROW_IDS = Object.keys(THREAT_ROWS) as readonly ThreatRowId[];

/** Returns the minimum number of attacks: two for rows that admission stops, otherwise one. */
export const getMinimumAttacks = (row: ThreatRowId): number =>
  THREAT_ROWS[row].stoppedBy === 'admission' ? 2 : 1;
