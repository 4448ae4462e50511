// An answer that always parses: tokens that do not fit the schema are never chosen.
import { Quire } from "quire";
import { z } from "zod";

const quire = await Quire.open("smollm2-135m-instruct");
const city = z.object({ name: z.string(), country: z.string(), population: z.number().int() });
const { value } = await quire.generate("Describe the city of Rome.", { schema: city, maxTokens: 80 });
console.log(city.parse(value));
await quire.close();
