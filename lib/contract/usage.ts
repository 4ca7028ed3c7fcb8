/** How much of a limited resource is in use; at `max` the program refuses more. */
export type Usage = { readonly used: number; readonly max: number };
