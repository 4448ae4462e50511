import type { z } from "zod";
import { defineMethod, type MethodDefinition, type MethodFactory, type Part } from "../method.js";

/** A structure algorithm is pure: plain numbers in typed arrays in, a result with its figures out. No model, no tensor, no input or
 *  output. Long work looks at the signal now and then. */
export interface Structure<Input, Result> extends Part<"structure"> {
  build(input: Input, context?: StructureContext): Result;
}

export interface StructureContext {
  readonly seed?: number;
  readonly signal?: AbortSignal;
  onProgress?(done: number, total: number): void;
}

export function structure<Options extends z.ZodObject, Input, Result>(
  definition: MethodDefinition<Options> & {
    create(options: z.output<Options>): (input: Input, context: StructureContext) => Result;
  },
): MethodFactory<"structure", Options, Structure<Input, Result>> {
  const { create, ...head } = definition;
  return defineMethod({ ...head, kind: "structure" }, (options, part) => {
    const run = create(options);
    return { ...part, build: (input, context = {}) => run(input, context) };
  });
}
