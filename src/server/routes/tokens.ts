import type { Hono } from "hono";
import { z } from "zod";
import { badRequest } from "../http/api-error.js";
import { readJson } from "../http/body.js";
import { type AppEnv, modelNamed, type Service } from "../service.js";

/** POST /v1/tokenize and /v1/detokenize, also without /v1 and with the field names of vLLM and llama.cpp. */

export const tokenizeRequest = z.object({
  model: z.string().nullish(),
  text: z.string().nullish(),
  prompt: z.string().nullish(),
  content: z.string().nullish(),
  add_special_tokens: z.boolean().nullish().describe("put the beginning-of-text token in front; default no"),
});

export const detokenizeRequest = z.object({
  model: z.string().nullish(),
  tokens: z.array(z.int().min(0)).max(1_000_000),
});

export function tokenRoutes(app: Hono<AppEnv>, service: Service): void {
  const { tokenizer } = service.text;
  const { maxBodyBytes } = service.settings;
  for (const path of ["/v1/tokenize", "/tokenize"]) {
    app.post(path, async (context) => {
      const request = await readJson(context, tokenizeRequest, maxBodyBytes);
      modelNamed(service, request.model);
      const text = request.text ?? request.prompt ?? request.content;
      if (text === null || text === undefined) throw badRequest("text: It is missing.", "text");
      const tokens = tokenizer.encode(text, { bos: request.add_special_tokens === true });
      return context.json({
        tokens: [...tokens],
        count: tokens.length,
        max_model_len: service.engine.info.contextTokens,
      });
    });
  }
  for (const path of ["/v1/detokenize", "/detokenize"]) {
    app.post(path, async (context) => {
      const request = await readJson(context, detokenizeRequest, maxBodyBytes);
      modelNamed(service, request.model);
      const wrong = request.tokens.find((token) => token >= tokenizer.vocabSize);
      if (wrong !== undefined) throw badRequest(`tokens: There is no token ${wrong}.`, "tokens");
      return context.json({ text: tokenizer.decode(request.tokens) });
    });
  }
}
