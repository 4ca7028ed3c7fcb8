/** The pieces of a stream, in their order. */
export type PieceList = {
  readonly push: (piece: Uint8Array) => void;
  readonly list: () => readonly Uint8Array[];
  readonly clear: () => void;
};

const MAX_SINGLE = 256;

/**
 * Creates a list that joins pieces by 256: one of a single byte takes a hundred bytes of memory, so that
 * many of them would take far more than was reserved for a body.
 */
export const createPieceList = (): PieceList => {
  let joined: Uint8Array[] = [];
  let single: Uint8Array[] = [];
  return {
    push: (piece) => {
      single.push(piece);
      if (single.length < MAX_SINGLE) return;
      joined.push(Buffer.concat(single));
      single = [];
    },
    list: () => [...joined, ...single],
    clear: () => {
      joined = [];
      single = [];
    },
  };
};
