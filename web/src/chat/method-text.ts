/** The string form of a chosen method, "h2o:budget=0.2,heavy=0.5", to its parts and back. */

export interface MethodChoice {
  readonly name: string;
  readonly options: Readonly<Record<string, string>>;
}

export function parseChoice(text: string): MethodChoice {
  const colon = text.indexOf(":");
  if (colon < 0) return { name: text, options: {} };
  const pairs = text
    .slice(colon + 1)
    .split(",")
    .map((pair) => {
      const equals = pair.indexOf("=");
      return equals < 0 ? undefined : ([pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()] as const);
    });
  return { name: text.slice(0, colon), options: Object.fromEntries(pairs.filter((pair) => pair !== undefined)) };
}

export function writeChoice({ name, options }: MethodChoice): string {
  const pairs = Object.entries(options).filter(([, value]) => value !== "");
  return pairs.length === 0 ? name : `${name}:${pairs.map(([key, value]) => `${key}=${value}`).join(",")}`;
}
