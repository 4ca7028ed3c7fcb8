type Undo = () => void | Promise<void>;

/** What has to be undone, last first; each is undone once, whoever asks and however often. */
export type Closing = {
  readonly defer: (undo: Undo) => void;
  readonly close: () => Promise<void>;
  readonly isClosing: () => boolean;
};

export const keepClosing = (): Closing => {
  const undos: Undo[] = [];
  let closing: Promise<void> | undefined;
  const closeAll = async (): Promise<void> => {
    for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) await undo();
  };
  return {
    defer: (undo) => {
      undos.push(undo);
      // What was begun while all was being undone must not stay either.
      if (closing !== undefined) closing = closing.then(closeAll);
    },
    close: () => (closing ??= closeAll()),
    isClosing: () => closing !== undefined,
  };
};

/**
 * Undoes all of what it is given at once, in its own turn: programs that take their time to end take
 * it together.
 */
export const closeTogether = (closing: Closing): Pick<Closing, 'defer'> => {
  const undos: Undo[] = [];
  closing.defer(async () => {
    await Promise.all(undos.map(async (undo) => undo()));
  });
  return {
    defer: (undo) => {
      if (closing.isClosing()) closing.defer(undo);
      else undos.push(undo);
    },
  };
};
