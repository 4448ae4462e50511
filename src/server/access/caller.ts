/** Who calls: by a key's name, or, on a server without keys, from an address. */
export interface Caller {
  readonly key: string | undefined;
  readonly address: string;
}

/** Whether something of that owner may be seen. Without keys everything is everybody's; what the server itself was started with is
 *  always everybody's (no owner). */
export function maySee(caller: Caller, owner: string | undefined): boolean {
  return caller.key === undefined || owner === undefined || owner === caller.key;
}
