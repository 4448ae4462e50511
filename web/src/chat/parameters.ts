/** What a conversation asks of the server. Whatever is undefined is left to the server's own default. */

export interface Parameters {
  readonly model?: string;
  readonly system?: string;
  readonly temperature?: number;
  readonly topP?: number;
  readonly maxTokens?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly cache?: string;
  readonly decoder?: string;
  readonly overflow?: Overflow;
}

export const overflows = ["error", "drop-middle", "drop-start"] as const;

export type Overflow = (typeof overflows)[number];

export const readParameters = (given: Partial<Parameters>): Parameters => ({
  temperature: 0.7,
  maxTokens: 512,
  ...given,
});

/** The request's fields for them. */
export function requestFields(parameters: Parameters) {
  const quire = {
    ...(parameters.cache === undefined ? {} : { cache: parameters.cache }),
    ...(parameters.decoder === undefined ? {} : { decoder: parameters.decoder }),
    ...(parameters.overflow === undefined ? {} : { overflow: parameters.overflow }),
  };
  return {
    ...(parameters.temperature === undefined ? {} : { temperature: parameters.temperature }),
    ...(parameters.topP === undefined ? {} : { top_p: parameters.topP }),
    ...(parameters.maxTokens === undefined ? {} : { max_tokens: parameters.maxTokens }),
    ...(parameters.seed === undefined ? {} : { seed: parameters.seed }),
    ...(parameters.stop === undefined || parameters.stop.length === 0 ? {} : { stop: parameters.stop }),
    ...(Object.keys(quire).length === 0 ? {} : { quire }),
  };
}
