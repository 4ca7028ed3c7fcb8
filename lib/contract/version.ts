/** Version of the product: the same as in package.json, and part of each audit record. */
export const VERSION = '0.1.0';
