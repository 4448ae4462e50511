import type { Place } from "../api/contract.js";
import { go } from "../app/route.js";

/** Places that another page wants to see lit on the map: the evidence of an answer, what a search found. */

export interface MapLights {
  readonly corpus: string;
  /** What they are, in a few words: the question, the search. */
  readonly about: string;
  readonly places: readonly Place[];
}

let wanted: MapLights | undefined;

export function showOnMap(lights: MapLights): void {
  wanted = lights;
  go("map", lights.corpus);
}

export const lightsFor = (corpus: string): MapLights | undefined => (wanted?.corpus === corpus ? wanted : undefined);

export function putOut(): void {
  wanted = undefined;
}
