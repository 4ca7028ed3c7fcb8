/**
 * The value of a JSON text; undefined, which JSON cannot express, for any other text. The parser's own
 * error is dropped because it quotes the text, which may be a secret.
 */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
