export const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** One decimal, so that the file is the same on each machine. */
export const round = (value: number): string => String(Math.round(value * 10) / 10);

export type TextOptions = { readonly x: number; readonly y: number; readonly attributes?: string };

export const renderText = (text: string, { x, y, attributes = '' }: TextOptions): string =>
  `<text x="${round(x)}" y="${round(y)}"${attributes}>${escapeXml(text)}</text>`;
