import type { WeightRequest } from "../../weights/load.js";
import type { WeightFile } from "../../weights/weight-file.js";
import type { ParameterSpec } from "../architecture.js";
import { layerWeights, outerWeights } from "../blocks/layer-weights.js";
import { newParameters } from "../blocks/new-parameters.js";
import { rotaryWeights } from "../blocks/rotary.js";
import type { MorConfig } from "./config.js";

/** The weights of a Mixture-of-Recursions model: each once, however often it is used. Own files name them by set ("blk.1.…"); published
 *  ones store what is shared once for each recursion, and all copies must be equal. */
export function morWeights(config: MorConfig, file: WeightFile): WeightRequest[] {
  const { sharedLayers, outerLayers, intermediateSize } = config;
  const sets = sharedLayers + (outerLayers ? 2 : 0);
  const published = publishedNames(config, file);
  const layers = Array.from({ length: sets }, (_, set) => layerWeights(config, set, { intermediateSize }));
  return [
    ...outerWeights(config),
    ...rotaryWeights(config.rotary),
    ...layers.flatMap((requests, set) => requests.map((request) => published?.layer(request, set) ?? request)),
    ...routerWeights(config).map((request) => published?.router(request) ?? request),
  ];
}

export function morParameters(config: MorConfig): ParameterSpec[] {
  const { sharedLayers, outerLayers, intermediateSize, recursions } = config;
  const sets = sharedLayers + (outerLayers ? 2 : 0);
  const requests = [
    ...outerWeights(config),
    ...Array.from({ length: sets }, (_, set) => layerWeights(config, set, { intermediateSize })).flat(),
  ];
  const unrolled = sharedLayers * recursions + (outerLayers ? 2 : 0);
  const routers = routerWeights(config)
    .filter(({ optional }) => optional !== true)
    .map(({ name, shape }): ParameterSpec => ({ name, shape, init: { normal: 0.02 }, decay: true }));
  return [...newParameters(requests, unrolled), ...routers];
}

function routerWeights({ router, recursions, hiddenSize: c }: MorConfig): WeightRequest[] {
  const request = (name: string, shape: number[], optional = false): WeightRequest => ({
    name,
    from: [name],
    ...{ shape, use: "vector", optional },
  });
  if (router.kind === "none") return [];
  if (router.kind === "expert")
    return Array.from({ length: recursions }, (_, index) => request(`router.${index + 1}.weight`, [1, c]));
  const bias = request("router.bias", [recursions], true);
  if (router.net === "linear") return [request("router.weight", [recursions, c]), bias];
  return [request("router.0.weight", [2 * c, c]), request("router.2.weight", [recursions, 2 * c]), bias];
}

/** Names as published: `model.layers.R.block.J.…` (expert) or `model.layers.1.block_list.R.J.…` (token); undefined for own files. */
function publishedNames(config: MorConfig, file: WeightFile) {
  const { recursions, sharedLayers, outerLayers, router } = config;
  const byToken = router.kind === "token";
  const marker = byToken ? /^model\.layers\.\d+\.block_list\./ : /^model\.layers\.\d+\.block\./;
  if (![...file.tensors.keys()].some((name) => marker.test(name))) return undefined;
  const from = outerLayers ? 1 : 0;
  const places = Array.from({ length: recursions }, (_, r) =>
    byToken ? `model.layers.${from}.block_list.${r}` : `model.layers.${from + r}.block`,
  );
  const last = `model.layers.${from + (byToken ? 1 : recursions)}`;
  const rest = (request: WeightRequest): string =>
    (request.from.find((name) => name.startsWith("model.layers.")) ?? "").replace(/^model\.layers\.\d+\./, "");
  const routers = (request: WeightRequest): string => {
    if (byToken)
      return `model.layers.${from}.mor_router.${request.name.replace(/^router\.(bias|weight|0|2)/, (_, part) => {
        if (part === "bias") return "router_bias";
        return part === "weight" ? "router.weight" : `router.${part}`;
      })}`;
    const r = Number(request.name.split(".")[1]);
    return `model.layers.${from + r - 1}.mor_router.router.weight`;
  };
  return {
    layer: (request: WeightRequest, set: number): WeightRequest => {
      if (outerLayers && set === 0) return { ...request, from: [`model.layers.0.${rest(request)}`] };
      if (outerLayers && set > sharedLayers) return { ...request, from: [`${last}.${rest(request)}`] };
      const [name = "", ...same] = places.map((place) => `${place}.${set - from}.${rest(request)}`);
      return { ...request, from: [name], same };
    },
    router: (request: WeightRequest): WeightRequest => ({ ...request, from: [routers(request)] }),
  };
}
