/** Ten easy questions whose answers can be checked by a pattern. */

export interface Question {
  readonly prompt: string;
  /** What a right answer contains. */
  readonly right: RegExp;
}

export const questions: readonly Question[] = [
  { prompt: "What is the capital of France, and what is it known for?", right: /\bParis\b/ },
  { prompt: "How many days does a week have? Name them.", right: /\b(7|seven)\b/i },
  { prompt: "What is 7 + 5? Explain how you get there.", right: /\b(12|twelve)\b/i },
  {
    prompt: "Which gas do plants take in from the air, and what do they do with it?",
    right: /carbon dioxide|CO2|CO₂/i,
  },
  { prompt: "What does a bee make, and how?", right: /honey/i },
  { prompt: "Who wrote the play Romeo and Juliet, and when did he live?", right: /Shakespeare/i },
  { prompt: "At how many degrees Celsius does water boil, and why does it matter in a kitchen?", right: /\b100\b/ },
  { prompt: "What is 9 times 6? Show each step.", right: /\b54\b/ },
  { prompt: "What is the largest ocean on Earth, and which continents touch it?", right: /Pacific/i },
  { prompt: "Which planet is nearest to the Sun, and what is it like there?", right: /Mercury/i },
];
