import { Tensor } from "../tensor/tensor.js";
import type { Stacked, Weights } from "./load.js";

/** A stored matrix that inputs are multiplied with: one weight, or several stacked. */
export type ProductSite = Stacked;

export type Product = (x: Tensor) => Tensor;

/** The same weights, with another way to multiply by some of them: where `productOf` gives none all stays as it was. What reads them
 *  otherwise (rows of an embedding) sees no difference. */
export function withProducts(weights: Weights, productOf: (site: ProductSite) => Product | undefined): Weights {
  const tensors = new Map<Tensor, Tensor>();
  const changed = (site: ProductSite): Tensor => {
    const known = tensors.get(site.tensor);
    if (known !== undefined) return known;
    const product = site.tensor.rank === 2 ? productOf(site) : undefined;
    const tensor = product === undefined ? site.tensor : new Tensor({ ...site.tensor, product });
    tensors.set(site.tensor, tensor);
    return tensor;
  };
  const single = (name: string, tensor: Tensor): Tensor =>
    changed({ tensor, members: [{ name, start: 0, size: tensor.size(0) }] });
  return {
    get: (name) => single(name, weights.get(name)),
    optional: (name) => {
      const found = weights.optional(name);
      return found === undefined ? undefined : single(name, found);
    },
    group: (name) =>
      weights.group(name).map(({ tensor, members }) => ({ tensor: changed({ tensor, members }), members })),
    has: (name) => weights.has(name),
    sizeBytes: weights.sizeBytes,
    close: () => weights.close(),
  };
}
